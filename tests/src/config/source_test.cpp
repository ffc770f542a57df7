// How a mistake is shown: file, line, column, the line and a caret.
#include "src/config/source.h"

#include <gtest/gtest.h>

namespace trireme {
namespace {

TEST(Source, ColumnsCountCharactersAndCaretsFollowTheirWidth) {
  Source source{"job.yaml", "a: 1\n漢é: x\n", {{"key", {1, 7}}}, {}};
  EXPECT_EQ(describe(source, {"key", "x -> a number", {}}),
            "job.yaml:2:5: [key] x -> a number\n"
            "漢é: x\n"
            "     ^");
}

TEST(Source, TabsBeforeTheCaretStayTabs) {
  Source source{"job.yaml", "a:\tx", {}, {}};
  EXPECT_EQ(describe(source, {"a", "bad", Mark{0, 3}}), "job.yaml:1:4: [a] bad\na:\tx\n  \t^");
}

TEST(Source, LongLinesAreCutAroundTheCaret) {
  Source source{"job.yaml", std::string(500, 'a') + "!" + std::string(500, 'b'), {}, {}};
  std::string expected = "job.yaml:1:501: [k] bad\n..." + std::string(50, 'a') + "!" +
                         std::string(49, 'b') + "...\n" + std::string(53, ' ') + "^";
  EXPECT_EQ(describe(source, {"k", "bad", Mark{0, 500}}), expected);
}

TEST(Source, APlaceThatIsNotWrittenStandsAtTheOneAboveIt) {
  Source source{"job.yaml", "sampling:\n  seed: 1\n", {{"sampling", {1, 2}}}, {}};
  EXPECT_EQ(describe(source, {"sampling.height", "not a multiple of 16", {}}),
            "job.yaml:2:3: [sampling.height] not a multiple of 16\n  seed: 1\n  ^");
}

TEST(Source, OverridesAndNoSource) {
  Source source{"job.yaml", "", {}, {{"layout", "layout={vae: 1}"}}};
  EXPECT_EQ(describe(source, {"layout.vae", "bad", {}}), "--set layout={vae: 1}: [layout.vae] bad");
  EXPECT_EQ(describe(Source{}, {"layout.vae", "bad", {}}), "[layout.vae] bad");
}

TEST(Source, OneErrorForAllInOrder) {
  Source source{"j", "a\nb\n", {{"x", {1, 0}}, {"y", {0, 0}}}, {}};
  Error error = job_error(source, {{"x", "1", {}}, {"y", "2", {}}});
  EXPECT_EQ(error.exit(), Exit::kBadJob);
  EXPECT_STREQ(error.what(), "j:1:1: [y] 2\na\n^\nj:2:1: [x] 1\nb\n^");
}

}  // namespace
}  // namespace trireme
