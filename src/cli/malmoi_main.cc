// The program `malmoi`.
#include "cli/verbs.h"

int main(int argc, char** argv) { return malmoi::cli::Main(argc, argv); }
