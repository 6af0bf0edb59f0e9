#include "cli/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace fairlead::cli {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::expected<Command, Stop> parse(const std::string& line) {
  std::istringstream words(line);
  return parse_command_line({std::istream_iterator<std::string>(words), {}});
}
template <class T>
T parsed(const std::string& line) {
  auto command = parse(line);
  if (!command) throw std::runtime_error(command.error().text);
  return std::get<T>(*std::move(command));
}

TEST(CommandLine, InitTakesManyNames) {
  const auto command = parsed<InitCommand>("init --dir d --name cloud.example --name 2001:DB8::1");
  EXPECT_EQ(command.dir, "d");
  ASSERT_EQ(command.names.size(), 2u);
  EXPECT_EQ(command.names[1].text(), "2001:db8::1");
}

TEST(CommandLine, CertIssueHasADefaultLifetime) {
  EXPECT_EQ(parsed<CertIssueCommand>("cert issue --dir d --node edge-a --out e").lifetime, pki::kEdgeLifetime);
  const auto command = parsed<CertIssueCommand>("cert issue --dir d --node edge-a --out e --days 7");
  EXPECT_EQ(command.lifetime, 24h * 7);
  EXPECT_EQ(command.node.value(), "edge-a");
  EXPECT_EQ(command.out, "e");
}

TEST(CommandLine, CertRevokeTakesExactlyOneKindOfEntry) {
  EXPECT_TRUE(std::holds_alternative<NodeName>(parsed<CertRevokeCommand>("cert revoke --dir d --node a --comment lost").what));
  EXPECT_TRUE(std::holds_alternative<pki::Serial>(parsed<CertRevokeCommand>("cert revoke --dir d --serial 7a:00").what));
  const std::string key(64, 'a');
  EXPECT_TRUE(std::holds_alternative<pki::Fingerprint>(parsed<CertRevokeCommand>("cert revoke --dir d --fingerprint " + key).what));
  EXPECT_FALSE(parse("cert revoke --dir d"));
  EXPECT_FALSE(parse("cert revoke --dir d --node a --serial 7a"));
}

TEST(CommandLine, CertShowTakesFilesOrAFolder) {
  EXPECT_EQ(parsed<CertShowCommand>("cert show a.pem b.pem").paths.size(), 2u);
  EXPECT_EQ(parsed<CertShowCommand>("cert show --dir d").paths.size(), 1u);
  EXPECT_FALSE(parse("cert show"));
  EXPECT_FALSE(parse("cert show a.pem --dir d"));
}

TEST(CommandLine, TokenCreateHasDefaultsAndLimits) {
  const auto usual = parsed<TokenCreateCommand>("token create --dir d");
  EXPECT_EQ(usual.wish.uses, 1u);
  EXPECT_EQ(usual.wish.lifetime, 1h);
  EXPECT_FALSE(usual.wish.node);
  const auto command = parsed<TokenCreateCommand>("token create --dir d --node edge-a --uses 20 --ttl 7d --address cloud.example -o json");
  EXPECT_EQ(command.wish.node->value(), "edge-a");
  EXPECT_EQ(command.wish.uses, 20u);
  EXPECT_EQ(command.wish.lifetime, 24h * 7);
  EXPECT_EQ(command.address->to_text(), "cloud.example:8443");
  EXPECT_EQ(command.output, Output::json);
  EXPECT_FALSE(parse("token create --dir d --uses 0"));
  EXPECT_FALSE(parse("token create --dir d --uses 1000001"));
  EXPECT_FALSE(parse("token create --dir d --ttl 0s"));
  EXPECT_TRUE(parse("token create --dir d --ttl 366d"));
  EXPECT_FALSE(parse("token create --dir d --ttl 367d"));
  EXPECT_FALSE(parse("token create"));
}

TEST(CommandLine, TokenRevokeTakesAnId) {
  EXPECT_EQ(parsed<TokenRevokeCommand>("token revoke 0123456789ab --dir d").id, "0123456789ab");
  EXPECT_FALSE(parse("token revoke --dir d"));
}

TEST(CommandLine, OrdersAboutNodesNameOne) {
  EXPECT_EQ(parsed<NodeListCommand>("node list --dir d -o json").output, Output::json);
  EXPECT_EQ(parsed<NodeShowCommand>("node show edge-a --dir d").node.value(), "edge-a");
  EXPECT_EQ(parsed<NodeRevokeCommand>("node revoke edge-a --dir d --comment lost").comment, "lost");
  EXPECT_EQ(parsed<NodeReadmitCommand>("node readmit --dir d edge-a").node.value(), "edge-a");
  EXPECT_EQ(parsed<NodeForgetCommand>("node forget edge-a --dir d").dir, "d");
  EXPECT_FALSE(parse("node revoke --dir d"));
  EXPECT_FALSE(parse("node revoke Edge_A --dir d"));
  EXPECT_FALSE(parse("node list edge-a --dir d"));
}

TEST(CommandLine, AnOrderToRenewLateHasADefaultAndALimit) {
  EXPECT_EQ(parsed<NodeRenewGraceCommand>("node renew-grace edge-a --dir d").lasts, 24h);
  EXPECT_EQ(parsed<NodeRenewGraceCommand>("node renew-grace edge-a --dir d --for 7d --comment ship").lasts, 24h * 7);
  EXPECT_EQ(parsed<NodeRenewGraceCommand>("node renew-grace edge-a --dir d --for 0s").lasts, 0ns);
  EXPECT_TRUE(parse("node renew-grace edge-a --dir d --for 366d"));
  EXPECT_FALSE(parse("node renew-grace edge-a --dir d --for 367d"));
  EXPECT_FALSE(parse("node renew-grace edge-a --dir d --for -1s"));
  EXPECT_FALSE(parse("node renew-grace --dir d"));
}

TEST(CommandLine, LabelsAreSetAndTakenAway) {
  const auto command = parsed<NodeLabelCommand>("node label edge-a site=berlin example.com/rack- empty= --dir d");
  ASSERT_EQ(command.changes.size(), 3u);
  EXPECT_EQ(command.changes[0].value, "berlin");
  EXPECT_EQ(command.changes[1].key, "example.com/rack");
  EXPECT_FALSE(command.changes[1].value);
  EXPECT_EQ(command.changes[2].value, "");
  EXPECT_FALSE(parse("node label edge-a --dir d"));
  EXPECT_FALSE(parse("node label edge-a --dir d site"));
  EXPECT_FALSE(parse("node label edge-a --dir d -"));
}

TEST(CommandLine, BackupAndRestoreSayWhatFromAndWhereTo) {
  EXPECT_EQ(parsed<BackupCommand>("backup --dir d --out f").out, "f");
  EXPECT_EQ(parsed<RestoreCommand>("restore --in f --dir d").file, "f");
  EXPECT_FALSE(parse("backup --dir d"));
  EXPECT_FALSE(parse("restore --dir d"));
}

TEST(CommandLine, AuditShowsTheNewestLines) {
  EXPECT_EQ(parsed<AuditCommand>("audit --dir d").lines, 50u);
  EXPECT_EQ(parsed<AuditCommand>("audit --dir d -n 3 -o json").lines, 3u);
  EXPECT_FALSE(parse("audit --dir d -n 0"));
}

TEST(CommandLine, EdgeJoinsWithATokenAndAPin) {
  const std::string token = enrol::JoinToken::generate().text().reveal();
  const std::string pin = "sha256:" + std::string(64, 'a');
  const auto command = parsed<EdgeCommand>("edge --dir e --join cloud.example --node edge-a --ca-pin " + pin + " --token " + token);
  ASSERT_TRUE(command.join);
  EXPECT_EQ(command.join->cloud.to_text(), "cloud.example:8443");
  EXPECT_EQ(command.join->token->text().reveal(), token);
  EXPECT_EQ(command.join->pin->to_text(), std::string(64, 'a'));
  EXPECT_EQ(command.join->node->value(), "edge-a");
  EXPECT_EQ(parsed<EdgeCommand>("edge --dir e --join c --token-file t --ca-pin " + pin).join->token_file, "t");
  EXPECT_FALSE(parsed<EdgeCommand>("edge --dir e").join);
  EXPECT_FALSE(parse("edge --dir e --token " + token)) << "without --join";
  EXPECT_FALSE(parse("edge --dir e --join c --token-file t --token " + token)) << "one of the two";
  EXPECT_FALSE(parse("edge --dir e --join c --ca-pin " + std::string(64, 'a')));
  const auto wrong = parse("edge --dir e --join c --token " + token + "x");
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error().text, testing::Not(HasSubstr(token.substr(17)))) << "a secret in an error";
}

TEST(CommandLine, EdgeHasADefaultPortAndLabels) {
  const auto command = parsed<EdgeCommand>("edge --dir e --cloud cloud.example --label site=berlin --label example.com/rack=");
  EXPECT_EQ(command.cloud->to_text(), "cloud.example:8443");
  EXPECT_EQ(command.labels, (route::Labels{{"site", "berlin"}, {"example.com/rack", ""}}));
  EXPECT_FALSE(parsed<EdgeCommand>("edge --dir e").cloud);
}

TEST(CommandLine, CloudListens) { EXPECT_EQ(parsed<CloudCommand>("cloud --dir d --listen [::1]:1").listen->to_text(), "[::1]:1"); }

TEST(CommandLine, ValidateTakesManyPathsEitherWay) {
  EXPECT_EQ(parsed<ValidateCommand>("validate -f a b -f c").paths.size(), 3u);
  EXPECT_EQ(parsed<ValidateCommand>("validate --file a -o json").output, Output::json);
}

TEST(CommandLine, StatusWatches) {
  const auto command = parsed<StatusCommand>("status --dir d -o json --watch");
  EXPECT_TRUE(command.watch);
  EXPECT_EQ(command.output, Output::json);
}

TEST(CommandLine, GetNamesAKindInEitherNumber) {
  EXPECT_EQ(parsed<GetCommand>("get routes --dir d").kind, "routes");
  EXPECT_EQ(parsed<GetCommand>("get gateway --dir d -o json").kind, "gateways");
}

struct Wrong {
  const char* name;
  const char* line;
  const char* says;  // in the first line
};
class CommandLineRefuses : public testing::TestWithParam<Wrong> {};

TEST_P(CommandLineRefuses, WithStatus2AndASentence) {
  const auto command = parse(GetParam().line);
  ASSERT_FALSE(command);
  EXPECT_EQ(command.error().status, ExitStatus::usage);
  EXPECT_THAT(command.error().text, StartsWith("fairlead: "));
  EXPECT_THAT(command.error().text, HasSubstr(GetParam().says));
  EXPECT_THAT(command.error().text, HasSubstr("\nSee `fairlead"));
}

INSTANTIATE_TEST_SUITE_P(Each, CommandLineRefuses,
                         testing::Values(Wrong{"Nothing", "", "a command is missing"},                                                    //
                                         Wrong{"Unknown", "statsu --dir d", "there is no command \"statsu\"; did you mean \"status\"?"},  //
                                         Wrong{"UnknownBelow", "cert isue", "did you mean \"issue\"?"},                                   //
                                         Wrong{"HalfACommand", "cert", "a command is missing"},                                           //
                                         Wrong{"NoSuchHelp", "help cert nope", "there is no command \"nope\""},                           //
                                         Wrong{"HelpTooLong", "help init nope", "\"nope\" is too much"},                                  //
                                         Wrong{"NoDir", "init", "--dir"},                                                                 //
                                         Wrong{"UnknownOption", "init --dir d --nmae a", "--nmae"},                                       //
                                         Wrong{"ValueMissing", "init --dir", "--dir"},                                                    //
                                         Wrong{"BadName", "init --dir d --name a_b!", "a_b!"},                                            //
                                         Wrong{"BadNode", "cert issue --dir d --out e --node Edge", "Edge"},                              //
                                         Wrong{"NoDays", "cert issue --dir d --out e --node a --days 0", "--days"},                       //
                                         Wrong{"ManyDays", "cert issue --dir d --out e --node a --days 3651", "--days"},                  //
                                         Wrong{"BadAddress", "cloud --dir d --listen localhost:1", "localhost"},                          //
                                         Wrong{"BadLabel", "edge --dir e --label site", "KEY=VALUE"},                                     //
                                         Wrong{"BadLabelKey", "edge --dir e --label -=x", "--label"},                                     //
                                         Wrong{"BadOutput", "status --dir d -o yaml", "yaml"},                                            //
                                         Wrong{"BadKind", "get pods --dir d", "pods"},                                                    //
                                         Wrong{"NoKind", "get --dir d", "kind"},                                                          //
                                         Wrong{"NoPath", "validate", "--file"},                                                           //
                                         Wrong{"TooMuch", "version now", "now"}),
                         [](const auto& info) { return info.param.name; });

TEST(CommandLine, HelpIsThereAtEveryLevel) {
  for (const char* line :
       {"init", "cert", "cert issue", "cert show", "cert renew", "cert revoke", "cloud", "edge", "validate", "status", "get", "version"}) {
    const auto asked = parse(std::string(line) + " --help");
    ASSERT_FALSE(asked) << line;
    EXPECT_EQ(asked.error().status, ExitStatus::ok) << line;
    EXPECT_THAT(asked.error().text, HasSubstr(std::string("Usage: fairlead ") + line + " ["));
    EXPECT_EQ(parse(std::string("help ") + line).error().text, asked.error().text);
  }
  EXPECT_THAT(parse("-h").error().text, HasSubstr("Usage: fairlead [OPTIONS]"));
  EXPECT_EQ(parse("help").error().text, parse("--help").error().text);
  EXPECT_EQ(parse("help exit-codes").error().text, kExitStatusHelp);
}

}  // namespace
}  // namespace fairlead::cli
