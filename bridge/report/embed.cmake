# Writes TO, a C++ file that holds the files FILES of the folder FROM as arrays: PageFile() of page_files.h.
set(arrays "")
set(rows "")
set(number 0)
foreach(file IN LISTS FILES)
  file(READ "${FROM}/${file}" bytes HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
  string(APPEND arrays "constexpr unsigned char kFile${number}[] = {${bytes}0};\n")
  string(APPEND rows
    "  if (path == \"${file}\") return {reinterpret_cast<const char*>(kFile${number}), sizeof(kFile${number}) - 1};\n")
  math(EXPR number "${number} + 1")
endforeach()
file(WRITE "${TO}" "#include \"bridge/report/page_files.h\"\n\nnamespace flarebridge {\nnamespace {\n\n${arrays}\n}  // namespace\n
std::string_view PageFile(std::string_view path) {\n${rows}  return {};\n}\n\n}  // namespace flarebridge\n")
