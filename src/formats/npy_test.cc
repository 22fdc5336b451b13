// Against files of numpy.save and numpy.savez (tools/make_golden_npy.py).
#include "formats/npy.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

#include "base/error.h"
#include "base/file.h"

namespace malmoi::formats {
namespace {

namespace fs = std::filesystem;

fs::path Golden(const std::string& name) {
  return fs::path(MALMOI_SOURCE_DIR) / "tests/golden/npy" / name;
}

template <typename T>
std::vector<T> Values(const Tensor& tensor) {
  std::vector<T> values(tensor.data.size() / sizeof(T));
  if (!values.empty()) {
    std::memcpy(values.data(), tensor.data.data(), tensor.data.size());
  }
  return values;
}

Error ErrorOf(const std::string& bytes) {
  try {
    ParseNpy(std::as_bytes(std::span(bytes)), nullptr, "sample");
  } catch (const Error& error) {
    return error;
  }
  return Error(ErrorCode::kCancelled, {.where = "no error"});
}

Error ErrorOfFile(const std::string& name) {
  return ErrorOf(ReadFile(Golden(name)));
}

// A version 1 file with this dictionary and `values` zero bytes.
std::string WithHeader(const std::string& header, size_t values = 0) {
  std::string bytes("\x93NUMPY\x01\x00", 8);
  bytes += static_cast<char>(header.size() & 0xff);
  bytes += static_cast<char>(header.size() >> 8);
  return bytes + header + std::string(values, '\0');
}

class Folder {
 public:
  Folder()
      : path_(fs::temp_directory_path() /
              ("malmoi_npy_" + std::to_string(getpid()))) {
    fs::create_directories(path_);
  }
  ~Folder() { fs::remove_all(path_); }
  fs::path operator/(const std::string& name) const { return path_ / name; }
  size_t files() const {
    return static_cast<size_t>(
        std::distance(fs::directory_iterator(path_), {}));
  }

 private:
  fs::path path_;
};

TEST(Npy, ReadsEveryType) {
  const struct {
    const char* file;
    DType dtype;
  } kFiles[] = {{"f2", DType::kF16}, {"f4", DType::kF32}, {"f8", DType::kF64},
                {"i1", DType::kI8},  {"i2", DType::kI16}, {"i4", DType::kI32},
                {"i8", DType::kI64}, {"u1", DType::kU8},  {"u4", DType::kU32},
                {"b1", DType::kBool}};
  for (const auto& [file, dtype] : kFiles) {
    const Tensor tensor = ReadNpy(Golden(std::string(file) + ".npy"));
    EXPECT_EQ(tensor.dtype, dtype) << file;
    EXPECT_EQ(tensor.shape, (Shape{2, 3})) << file;
    EXPECT_TRUE(tensor.mapped);
  }
  const std::vector<float> floats = {0, 1, 2, 3, 4, 5};
  for (const char* file : {"f4.npy", "v2.npy", "v3.npy"}) {
    EXPECT_EQ(Values<float>(ReadNpy(Golden(file))), floats) << file;
  }
  EXPECT_EQ(Values<int64_t>(ReadNpy(Golden("i8.npy"))),
            (std::vector<int64_t>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(Values<double>(ReadNpy(Golden("f8.npy")))[5], 5.0);
  EXPECT_EQ(Values<uint16_t>(ReadNpy(Golden("f2.npy")))[1], 0x3c00);
  EXPECT_EQ(ReadNpy(Golden("scalar.npy")).shape, Shape{});
  EXPECT_EQ(Values<float>(ReadNpy(Golden("scalar.npy"))),
            std::vector<float>{2.5f});
  EXPECT_EQ(ReadNpy(Golden("empty.npy")).shape, (Shape{0, 3}));
  const Tensor text = ReadNpy(Golden("text.npy"));
  EXPECT_EQ(text.shape, Shape{3});
  EXPECT_EQ(Values<char>(text), (std::vector<char>{'c', 's', 'r'}));
}

TEST(Npy, CopiesWhatIsNotAligned) {
  const std::string bytes = "x" + ReadFile(Golden("f8.npy"));
  const Tensor tensor =
      ParseNpy(std::as_bytes(std::span(bytes)).subspan(1), nullptr, "sample");
  EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor.data.data()) % 8, 0u);
  EXPECT_EQ(Values<double>(tensor)[4], 4.0);
}

TEST(Npy, WritesWhatNumPyWrites) {
  const std::vector<float> floats = {0, 1, 2, 3, 4, 5};
  const std::string ours =
      NpyBytes(DType::kF32, {2, 3}, std::span<const float>(floats));
  const Tensor back = ParseNpy(std::as_bytes(std::span(ours)), nullptr, "ours");
  EXPECT_EQ(back.shape, (Shape{2, 3}));
  EXPECT_EQ(Values<float>(back), floats);
  EXPECT_EQ(ours, ReadFile(Golden("f4.npy")));
  EXPECT_EQ(NpyText("csr"), ReadFile(Golden("text.npy")));
}

TEST(Npy, WritesRowsAsTheyCome) {
  const Folder folder;
  const std::vector<float> floats = {0, 1, 2, 3, 4, 5};
  {
    NpyWriter writer(folder / "a.npy", DType::kF32, {3});
    writer.Write(std::span<const float>(floats).first(3));
    writer.Write(std::span<const float>(floats).subspan(3));
    EXPECT_FALSE(fs::exists(folder / "a.npy"));
    writer.Finish();
  }
  EXPECT_EQ(ReadFile(folder / "a.npy"), ReadFile(Golden("f4.npy")));
  {
    NpyWriter abandoned(folder / "b.npy", DType::kF32, {3});
  }
  EXPECT_EQ(folder.files(), 1u);
  EXPECT_THROW(NpyWriter(folder / "no/such.npy", DType::kF32, {3}), Error);
}

TEST(Npy, RefusesByName) {
  EXPECT_NE(ErrorOfFile("object.npy").message().find("pickle"),
            std::string::npos);
  EXPECT_NE(ErrorOfFile("fortran.npy").message().find("Fortran"),
            std::string::npos);
  EXPECT_NE(ErrorOfFile("big.npy").message().find("big-endian"),
            std::string::npos);
  EXPECT_NE(ErrorOfFile("record.npy").message().find("records"),
            std::string::npos);
  EXPECT_NE(ErrorOfFile("complex.npy").message().find("<c8"),
            std::string::npos);
  for (const char* file :
       {"object.npy", "fortran.npy", "big.npy", "record.npy", "complex.npy"}) {
    EXPECT_EQ(ErrorOfFile(file).code(), ErrorCode::kUnsupported) << file;
  }
}

TEST(Npy, TellsDamage) {
  const std::string good = ReadFile(Golden("f4.npy"));
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_EQ(ErrorOf(good.substr(0, size)).code(), ErrorCode::kCorrupt)
        << size;
  }
  EXPECT_EQ(ErrorOf(good + "x").code(), ErrorCode::kCorrupt);
  std::string newer = good;
  newer[6] = 4;
  EXPECT_EQ(ErrorOf(newer).code(), ErrorCode::kUnsupported);
  for (const char* header :
       {"", "{}", "{'descr': '<f4'}", "{'descr': '<f4', 'descr': '<f4'}",
        "{'descr': '<f4', 'fortran_order': Maybe, 'shape': ()}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': ()} x",
        "{'descr': '<f4', 'fortran_order': False, 'shape': "
        "(99999999999999999999,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': "
        "(4294967296, 4294967296, 0)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': "
        "(4611686018427387904,)}"}) {
    EXPECT_EQ(ErrorOf(WithHeader(header)).code(), ErrorCode::kCorrupt)
        << header;
  }
  EXPECT_EQ(ErrorOf(WithHeader("{'shape':(1,),\"fortran_order\":True,"
                               "'descr':'<f4'}\n",
                               4))
                .code(),
            ErrorCode::kCancelled);  // another order, which is fine
}

TEST(Npz, ReadsNumPys) {
  const TensorMap arrays = ReadNpz(Golden("sum.npz"));
  ASSERT_EQ(arrays.size(), 3u);
  EXPECT_EQ(Values<float>(arrays.at("data")),
            (std::vector<float>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(Values<int64_t>(arrays.at("shape")), (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(Values<char>(arrays.at("format")),
            (std::vector<char>{'c', 's', 'r'}));
  EXPECT_EQ(ReadNpz(Golden("stored.npz")).at("a").dtype, DType::kI32);
  EXPECT_THROW(ReadNpz(Golden("sum.npz"), 100), Error);
  EXPECT_THROW(ReadNpz(Golden("f4.npy")), Error);
  EXPECT_THROW(ReadNpz(Golden("none.npz")), Error);
}

TEST(Npz, WritesTheSameBytesEachTime) {
  const Folder folder;
  const std::vector<int64_t> shape = {2, 3};
  const std::vector<NpzItem> items = {
      {"shape", NpyBytes(DType::kI64, {2}, std::span<const int64_t>(shape))},
      {"format", NpyText("csr")}};
  WriteNpz(folder / "a.npz", items);
  WriteNpz(folder / "b.npz", items);
  EXPECT_EQ(ReadFile(folder / "a.npz"), ReadFile(folder / "b.npz"));
  WriteNpz(folder / "b.npz", items, false);  // over the old one
  for (const char* name : {"a.npz", "b.npz"}) {
    const TensorMap arrays = ReadNpz(folder / name);
    EXPECT_EQ(Values<int64_t>(arrays.at("shape")), shape);
    EXPECT_EQ(arrays.at("format").shape, Shape{3});
  }
  EXPECT_EQ(folder.files(), 2u);
  EXPECT_THROW(WriteNpz(folder / "no/such.npz", items), Error);
  // Damage of an entry is told by its sum.
  std::string bytes = ReadFile(folder / "b.npz");
  bytes[bytes.find("csr")] = 'C';
  try {
    ParseNpz(std::as_bytes(std::span(bytes)), "sample");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCorrupt);
  }
}

}  // namespace
}  // namespace malmoi::formats
