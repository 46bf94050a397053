#include "bridge/commands/command_line.h"

int main(int argc, char** argv) { return flarebridge::RunCommandLine(argc, argv); }
