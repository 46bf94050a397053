#include "bridge/uploader/command_line.h"

int main(int argc, char** argv) { return flarebridge::RunUploader(argc, argv); }
