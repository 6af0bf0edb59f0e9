#include "quic/copies.h"

#include <gtest/gtest.h>

namespace fairlead::quic {
namespace {

constexpr TimePoint kNow{1h};

TEST(StreamCopy, IsReadAsItWasWritten) {
  for (const std::uint64_t number : {std::uint64_t{0}, std::uint64_t{63}, std::uint64_t{64}, std::uint64_t{16'383}, std::uint64_t{16'384},
                                     (std::uint64_t{1} << 30) - 1, std::uint64_t{1} << 30, (std::uint64_t{1} << 62) - 1}) {
    std::vector<std::byte> datagram = StreamCopy::head(static_cast<std::int64_t>(number), number, true);
    ASSERT_LE(datagram.size(), StreamCopy::kMaxHead);
    const Bytes text = as_bytes("some text");
    datagram.insert(datagram.end(), text.begin(), text.end());
    const auto copy = StreamCopy::read(datagram);
    ASSERT_TRUE(copy);
    EXPECT_EQ(copy->stream, static_cast<std::int64_t>(number));
    EXPECT_EQ(copy->offset, number);
    EXPECT_TRUE(copy->end);
    EXPECT_EQ(as_text(copy->bytes), "some text");
    for (std::size_t cut = 0; cut < datagram.size() - text.size(); cut++) EXPECT_FALSE(StreamCopy::read(Bytes(datagram).first(cut)));
  }
}

TEST(StreamCopy, WhatIsNoneIsNotRead) {
  std::vector<std::byte> datagram = StreamCopy::head(4, 0, false);
  EXPECT_FALSE(StreamCopy::read(datagram)) << "it says nothing";
  datagram.push_back(std::byte{'x'});
  EXPECT_TRUE(StreamCopy::read(datagram));
  datagram[1] = std::byte{2};
  EXPECT_FALSE(StreamCopy::read(datagram)) << "a flag of a later version";
  datagram[0] = std::byte{4};
  EXPECT_FALSE(StreamCopy::is_copy(datagram));
}

TEST(CopyQueue, SendsNoMoreThanItsShare) {
  CopyQueue queue;
  EXPECT_FALSE(queue.allow(kNow, 100, 1'000'000, CopyQueue::kShortPath - 1ms)) << "too near to be of use";
  std::size_t count = 0;
  for (TimePoint now = kNow; now < kNow + 10s; now += 1ms)
    if (queue.allow(now, 100, 10'000'000, 50ms)) count++;
  EXPECT_NEAR(static_cast<double>(count), 10 * CopyQueue::kPerSecond, 2 * CopyQueue::kBurst);

  CopyQueue narrow;  // 12 kB a round trip: 240 kB/s
  std::size_t bytes = 0;
  for (TimePoint now = kNow; now < kNow + 10s; now += 1ms)
    if (narrow.allow(now, 1000, 12'000, 50ms)) bytes += 1000;
  EXPECT_NEAR(static_cast<double>(bytes), 10 * 240'000.0 / CopyQueue::kPart, 10'000);
}

TEST(CopyQueue, GivesThemInTimeOrNotAtAll) {
  CopyQueue queue;
  queue.push(kNow + 3ms, StreamCopy::head(0, 0, true));
  queue.push(kNow + 4ms, StreamCopy::head(4, 0, true));
  queue.push(kNow, StreamCopy::head(8, 0, true));
  EXPECT_EQ(StreamCopy::read(queue.due(kNow))->stream, 8) << "due at once";
  queue.pop();
  EXPECT_TRUE(queue.due(kNow).empty());
  EXPECT_EQ(queue.deadline(kNow), kNow + 3ms);
  EXPECT_EQ(StreamCopy::read(queue.due(kNow + 3ms))->stream, 0);
  EXPECT_EQ(queue.deadline(kNow + 3ms), TimePoint::max()) << "it goes when something can";
  EXPECT_EQ(StreamCopy::read(queue.due(kNow + 3ms + CopyQueue::kTooLate + 1us))->stream, 4);
  EXPECT_TRUE(queue.due(kNow + 1s).empty());
}

TEST(SeenStreams, EachIsSeenOnce) {
  SeenStreams seen;
  for (const std::uint64_t index : {0u, 1u, 5u, 3u, 2u, 4u, 6u}) {
    EXPECT_TRUE(seen.see(index)) << index;
    EXPECT_FALSE(seen.see(index)) << index;
  }
  EXPECT_TRUE(seen.see(1'000'000));
  EXPECT_FALSE(seen.see(10)) << "too long ago to tell";
  EXPECT_TRUE(seen.see(1'000'000 - SeenStreams::kMaxGaps));
  EXPECT_FALSE(seen.see(1'000'000 - SeenStreams::kMaxGaps));
}

}  // namespace
}  // namespace fairlead::quic
