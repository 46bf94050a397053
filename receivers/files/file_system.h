// What the file system under an open file can do. Network and user-space file systems lack things
// that local disks have; who needs one asks here and takes another way. Any thread.
#pragma once

namespace flarebridge {

// The error of a lock call says that the file system has no locks: Lustre without its flock option,
// NFS without a lock daemon, 9p, FUSE.
bool IsLackOfLocks(int error_number);

// Whether the file could be locked by parts (fcntl(2)). All locks of this kind that this process
// has on the file are lost when the descriptor is closed.
bool HasRecordLocks(int fd);

}  // namespace flarebridge
