# `cmake --install`: the program, the library, its headers and package file,
# manual pages and completions. Relocatable: nothing names the prefix.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

target_link_options(malmoi_api PRIVATE
  -Wl,--version-script=${CMAKE_SOURCE_DIR}/cmake/libmalmoi.map)
set_target_properties(malmoi_api PROPERTIES
  LINK_DEPENDS ${CMAKE_SOURCE_DIR}/cmake/libmalmoi.map)

install(TARGETS malmoi RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS malmoi_api EXPORT malmoi-targets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/malmoi DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT malmoi-targets NAMESPACE malmoi:: FILE malmoi-config.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/malmoi)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/malmoi-config-version.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/malmoi-config-version.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/malmoi)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/malmoi)

# The table of verbs writes its own pages.
install(CODE "
  set(program \"${CMAKE_BINARY_DIR}/malmoi\")
  set(data \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_DATADIR}\")
  file(MAKE_DIRECTORY \"\${data}/man/man1\"
    \"\${data}/bash-completion/completions\" \"\${data}/zsh/site-functions\"
    \"\${data}/fish/vendor_completions.d\")
  execute_process(COMMAND \${program} man
    OUTPUT_FILE \"\${data}/man/man1/malmoi.1\")
  foreach(verb run chat tokenize pull ls show rm verify bench eval doctor
      completion)
    execute_process(COMMAND \${program} man \${verb}
      OUTPUT_FILE \"\${data}/man/man1/malmoi-\${verb}.1\")
  endforeach()
  execute_process(COMMAND \${program} completion bash
    OUTPUT_FILE \"\${data}/bash-completion/completions/malmoi\")
  execute_process(COMMAND \${program} completion zsh
    OUTPUT_FILE \"\${data}/zsh/site-functions/_malmoi\")
  execute_process(COMMAND \${program} completion fish
    OUTPUT_FILE \"\${data}/fish/vendor_completions.d/malmoi.fish\")
")
