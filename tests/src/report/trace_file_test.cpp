#include "src/report/trace_file.h"

#include <nlohmann/json.hpp>

#include "tests/src/report/folder_fixture.h"

namespace trireme {
namespace {

using TraceFileTest = FolderTest;

// As the viewers read an array without its end: what is cut is left out.
nlohmann::json events(std::string text) {
  text.resize(text.rfind(",\n"));
  return nlohmann::json::parse(text + "]");
}

TEST_F(TraceFileTest, OpensWhileItIsWrittenAndWhereverItIsCut) {
  TraceFile file(folder_ / "t.json", {.rank = 5, .replica = 1, .lane = 2}, {});
  file.add({{Op::Kind::kForward, {0, 1}}, 0.5, 0.75});
  file.add({{Op::Kind::kDecode, {0, 2}}, 1, 2});
  const auto text = content(folder_ / "t.json.rank-00005");
  const auto all = events(text);
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0]["args"]["name"], "replica 1, measured");
  EXPECT_EQ(all[1]["name"], "forward batch 0 step 1");
  EXPECT_EQ(all[1]["pid"], 1);
  EXPECT_EQ(all[1]["tid"], 2);
  EXPECT_EQ(all[1]["dur"], 250000);
  EXPECT_EQ(events(text.substr(0, text.size() - 10)).size(), 2u);
}

TEST_F(TraceFileTest, BeginsAnewAndIsRemoved) {
  for (int run = 0; run < 2; ++run) TraceFile(folder_ / "t.json", {}, {}).add({});
  TraceFile file(folder_ / "t.json", {}, {});
  EXPECT_EQ(events(content(file.path())).size(), 1u);
  file.remove();
  EXPECT_TRUE(names(folder_).empty());
}

}  // namespace
}  // namespace trireme
