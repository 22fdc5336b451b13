# Cross build of the kernels for 64-bit Arm; tests run under qemu-user.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
# Highway, fmt and nlohmann/json are used as headers, which are the same on
# every machine; the compiler's own directories come before them. Without
# libhwy for Arm there is no run-time choice: only the baseline, NEON.
set(CMAKE_CXX_FLAGS_INIT
  "-idirafter /usr/include -DFMT_HEADER_ONLY -DHWY_COMPILE_ONLY_STATIC")
set(CMAKE_EXE_LINKER_FLAGS_INIT "-static")
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64)
find_program(MALMOI_CCACHE ccache)
if(MALMOI_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${MALMOI_CCACHE})
endif()
