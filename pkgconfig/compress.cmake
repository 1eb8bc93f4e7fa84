# Run by cpack before it makes the packages: manual pages and changelogs are compressed, as Debian
# wants them.
file(GLOB_RECURSE pages ${CPACK_TEMPORARY_DIRECTORY}/*)
list(FILTER pages INCLUDE REGEX "/share/man/.*[0-9]$|/changelog[.]Debian$")
foreach(page ${pages})
  execute_process(COMMAND gzip -9nf ${page} COMMAND_ERROR_IS_FATAL ANY)
endforeach()
