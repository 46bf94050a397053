// What the program's exit status means; sysexits.h's numbers where one fits. The shim and the
// supervisor read them: a status that trying again can't change is not restarted.
#pragma once

namespace flarebridge {

enum ExitCode : int {
  kExitOk = 0,
  kExitIncomplete = 1,   // left with events still in the journal; a later start goes on with them
  kExitNotFinished = 3,  // show --wait: the deadline passed before every run was finished
  kExitUsage = 64,       // wrong arguments
  kExitData = 65,        // a file that is not what it should be
  kExitNoInput = 66,     // a file or folder that is not there
  kExitInternal = 70,    // a defect of ours
  kExitCantCreate = 73,  // a file, folder or socket can't be created
  kExitIo = 74,          // reading or writing failed
  kExitTempFail = 75,    // somebody else holds it, or the disk is full; try again
  kExitConfig = 78,      // configuration that makes no sense; trying again does not help
};

}  // namespace flarebridge
