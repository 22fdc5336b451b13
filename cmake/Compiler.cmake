# Picks the compiler: Debian's clang-19 when it is there (GCC 12 spills the
# integer matrix kernels, see docs/PERFORMANCE.md), the system's otherwise;
# ccache and lld likewise. CXX in the environment wins.
if(NOT DEFINED ENV{CXX})
  find_program(MALMOI_CLANG clang++-19)
  if(MALMOI_CLANG)
    set(CMAKE_CXX_COMPILER ${MALMOI_CLANG})
    find_program(MALMOI_CLANG_C clang-19)  # for the C API's example
    set(CMAKE_C_COMPILER ${MALMOI_CLANG_C})
    find_program(MALMOI_LLD ld.lld-19)
    if(MALMOI_LLD)
      set(CMAKE_EXE_LINKER_FLAGS_INIT "-fuse-ld=${MALMOI_LLD}")
      set(CMAKE_SHARED_LINKER_FLAGS_INIT "-fuse-ld=${MALMOI_LLD}")
    endif()
  endif()
endif()
find_program(MALMOI_CCACHE ccache)
if(MALMOI_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${MALMOI_CCACHE})
endif()
