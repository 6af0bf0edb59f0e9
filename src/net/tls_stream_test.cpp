#include <gmock/gmock.h>

#include "net/tls_world.h"

namespace fairlead::net {
namespace {

using testing::HasSubstr;

constexpr const char* kVersions[] = {"NORMAL:-VERS-ALL:+VERS-TLS1.3", "NORMAL:-VERS-ALL:+VERS-TLS1.2"};

class TlsStreams : public TlsWorld {
 protected:
  RawOutcome raw_pair(const char* priorities = kVersions[0]) {
    RawOutcome pair = raw(*server_, {.priorities = priorities, .server_name = "server.example"});
    EXPECT_TRUE(pair.client && pair.server);
    return pair;
  }
  Result<std::size_t> read(Stream& stream, std::size_t size = 100) {
    buffer_.resize(size);
    return loop_.run(stream.read(buffer_));
  }
  std::string read_text(Stream& stream, std::size_t size = 100) {
    auto n = read(stream, size);
    EXPECT_TRUE(n) << n.error().describe();
    return n ? std::string(as_text(Bytes(buffer_).first(*n))) : "failed";
  }
  void write(Stream& stream, std::string_view text) {
    auto written = loop_.run(stream.write(as_bytes(text)));
    EXPECT_TRUE(written) << written.error().describe();
  }

  std::shared_ptr<const TlsServer> server_ = ca_.tls_server({"server.example"});
  std::vector<std::byte> buffer_;
};

TEST_F(TlsStreams, AnEndWithoutCloseNotifyIsNoEnd) {
  for (const char* version : kVersions) {
    RawOutcome pair = raw_pair(version);
    write(*pair.dialled, "half an ans");
    EXPECT_TRUE(pair.session->transport().shut());
    EXPECT_EQ(read_text(**pair.server), "half an ans");
    for (int i = 0; i < 2; i++) {
      auto n = read(**pair.server);
      ASSERT_FALSE(n);
      EXPECT_EQ(n.error().code(), Code::reset);
      EXPECT_THAT(n.error().describe(), HasSubstr("close_notify"));
    }
  }
}

TEST_F(TlsStreams, AnEndWithinARecordIsNoEnd) {
  RawOutcome pair = raw_pair();
  EXPECT_EQ(pair.session->transport().try_write(as_bytes("\x17\x03\x03")).value(), 3u);
  EXPECT_TRUE(pair.session->transport().shut());
  EXPECT_EQ(read(**pair.server).error().code(), Code::reset);
}

TEST_F(TlsStreams, ByteByByteIsAsGoodAsWhole) {
  RawOutcome pair = raw_pair();
  write(*pair.dialled, "hello");
  write(*pair.dialled, " world");
  EXPECT_TRUE(pair.dialled->shut());
  std::string got;
  for (;;) {
    auto n = read(**pair.server, 1);
    ASSERT_TRUE(n);
    if (*n == 0) break;
    got += as_text(Bytes(buffer_).first(1));
  }
  EXPECT_EQ(got, "hello world");
}

TEST_F(TlsStreams, AfterThePeersEndTheAnswerStillGoesOut) {
  for (const char* version : kVersions) {
    RawOutcome pair = raw_pair(version);
    write(*pair.dialled, "question");
    EXPECT_TRUE(pair.dialled->shut());
    EXPECT_EQ(read_text(**pair.server), "question");
    EXPECT_EQ(read_text(**pair.server), "");
    write(**pair.server, "answer");
    EXPECT_TRUE((*pair.server)->shut());
    pair.server = fail(Code::closed, "gone");
    EXPECT_EQ(read_text(*pair.dialled), "answer") << version;
    EXPECT_EQ(read_text(*pair.dialled), "") << version;
  }
}

TEST_F(TlsStreams, APeerMayChangeItsKeysWhenItLikes) {
  RawOutcome pair = raw_pair();
  for (int i = 0; i < 3; i++) {
    loop_.run_for(2s);
    ASSERT_EQ(gnutls_session_key_update(pair.session->native(), GNUTLS_KU_PEER), 0);
    write(*pair.dialled, "question");
    EXPECT_EQ(read_text(**pair.server), "question");
    write(**pair.server, "answer");
    EXPECT_EQ(read_text(*pair.dialled), "answer");
  }
}

Task<void> write_much(Stream& stream, std::size_t size, bool shut) {
  co_await write_pattern(stream, size);
  if (shut) EXPECT_TRUE(stream.shut());
}
Task<void> both_ways_with_new_keys(Loop& loop, TlsSession& session, Stream& near, Stream& far) {
  constexpr std::size_t kSize = 4'000'000;
  Rest at_near, at_far;
  Scope scope(loop);
  scope.spawn(write_much(far, kSize, true));
  scope.spawn(read_rest_into(far, at_far));
  scope.spawn(read_rest_into(near, at_near));
  std::size_t sent = 0;
  const std::vector<std::byte> all = pattern(kSize);
  for (; sent < kSize; sent += kSize / 4) {
    EXPECT_EQ(gnutls_session_key_update(session.native(), GNUTLS_KU_PEER), 0);
    auto written = co_await near.write(Bytes(all).subspan(sent, kSize / 4));
    EXPECT_TRUE(written);
  }
  EXPECT_TRUE(near.shut());
  co_await scope.done();
  EXPECT_TRUE(at_near.end && at_far.end && at_near.intact && at_far.intact);
  EXPECT_EQ(at_near.size, kSize);
  EXPECT_EQ(at_far.size, kSize);
}
TEST_F(TlsStreams, NewKeysUnderLoadLoseNothing) {
  RawOutcome pair = raw_pair();
  loop_.run(both_ways_with_new_keys(loop_, *pair.session, *pair.dialled, **pair.server));
}

TEST_F(TlsStreams, ADamagedRecordBreaksOffAndThePeerIsTold) {
  for (const char* version : kVersions) {
    RawOutcome pair = raw_pair(version);
    std::string record("\x17\x03\x03\x00\x20", 5);
    record.append(32, 'x');
    EXPECT_EQ(pair.session->transport().try_write(as_bytes(record)).value(), record.size());
    auto n = read(**pair.server);
    ASSERT_FALSE(n);
    EXPECT_EQ(n.error().code(), Code::reset);
    EXPECT_EQ(loop_.run((*pair.server)->write(as_bytes("x"))).error().code(), Code::reset);
    auto told = read(*pair.dialled);
    ASSERT_FALSE(told);
    EXPECT_THAT(told.error().describe(), HasSubstr("BAD_RECORD_MAC")) << version;
  }
}

TEST_F(TlsStreams, EmptyRecordsAreNoEndAndTooManyBreakOff) {
  RawOutcome pair = raw_pair();
  const auto send_empty = [&](int count) {
    for (int i = 0; i < count; i++) ASSERT_EQ(gnutls_record_send2(pair.session->native(), "", 0, 1, 0), 0);
    ASSERT_TRUE(pair.session->flush());
  };
  for (int round = 0; round < 3; round++) {
    send_empty(99);
    write(*pair.dialled, "more");
    EXPECT_EQ(read_text(**pair.server), "more");
  }
  send_empty(100);
  write(*pair.dialled, "more");
  auto n = read(**pair.server);
  ASSERT_FALSE(n);
  EXPECT_EQ(n.error().code(), Code::reset);
}

TEST_F(TlsStreams, RenegotiationIsRefused) {
  RawOutcome pair = raw_pair(kVersions[1]);
  EXPECT_LT(gnutls_handshake(pair.session->native()), 0);  // it waits for an answer
  ASSERT_TRUE(pair.session->flush());
  auto n = read(**pair.server);
  ASSERT_FALSE(n);
  EXPECT_EQ(n.error().code(), Code::reset);
}

TEST_F(TlsStreams, ManySmallWritesOfOneCallAreOneRecord) {
  RawOutcome pair = raw_pair();
  const std::vector<std::byte> all = pattern(16_KiB + 1);
  EXPECT_TRUE(loop_.run((*pair.server)->write(all)));
  EXPECT_EQ(read(*pair.dialled, 64_KiB).value(), 16_KiB);
  EXPECT_EQ(read(*pair.dialled, 64_KiB).value(), 1u);
}

TEST_F(TlsStreams, AShutThatFindsNoRoomIsDoneLater) {
  RawOutcome pair = raw_pair();
  const std::vector<std::byte> all = pattern(8_MiB);
  std::size_t accepted = 0;
  for (;;) {
    auto n = (*pair.server)->try_write(Bytes(all).subspan(accepted, 64_KiB));
    ASSERT_TRUE(n);
    if (*n == 0) break;
    accepted += *n;
  }
  EXPECT_TRUE((*pair.server)->shut());
  Rest rest = loop_.run(read_rest(*pair.dialled));
  EXPECT_TRUE(rest.end && rest.intact);
  EXPECT_EQ(rest.size, accepted);
}

TEST_F(TlsStreams, AStreamOutlivesItsServerAndClient) {
  TlsPair pair = connect(ca_.tls_server({"server.example"}), ca_.tls_client(), "server.example");
  ASSERT_TRUE(pair.dialled && pair.accepted);
  write(**pair.accepted, "ticket and all");
  EXPECT_EQ(read_text(**pair.dialled), "ticket and all");
  EXPECT_EQ((*pair.accepted)->local().to_text(), (*pair.dialled)->peer().to_text());
}

}  // namespace
}  // namespace fairlead::net
