#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "base/random.h"
#include "quic/datagram_queue.h"
#include "quic/receive_buffer.h"
#include "quic/send_buffer.h"

namespace fairlead::quic {
namespace {

using net::MemoryBudget;

struct Buffers : testing::Test {
  MemoryBudget budget{1_MiB, 64_KiB};
  StreamMemory memory{budget};
  std::size_t before = chunks_in_use();
  void TearDown() override {
    EXPECT_EQ(budget.used(), 0u);
    EXPECT_EQ(chunks_in_use(), before);
  }
};
struct SendBufferTest : Buffers {
  SendBuffer buffer;
  bool put(std::string_view bytes) {
    while (!bytes.empty()) {
      const MutableBytes room = buffer.prepare(memory, MemoryBudget::Use::ordinary);
      if (room.empty()) return false;
      const std::size_t n = std::min(room.size(), bytes.size());
      std::memcpy(room.data(), bytes.data(), n);
      buffer.commit(n, memory);
      bytes.remove_prefix(n);
    }
    return true;
  }
  std::string take(std::size_t n) {
    Bytes pieces[4];
    std::string all;
    const std::size_t count = buffer.pieces(pieces);
    for (std::size_t i = 0; i < count; i++) all += as_text(pieces[i]);
    all.resize(std::min(n, all.size()));
    buffer.sent(all.size());
    return all;
  }
};
struct ReceiveBufferTest : Buffers {
  ReceiveBuffer buffer;
};

TEST_F(SendBufferTest, BytesComeOutAsTheyWentInWhateverTheSteps) {
  Random random(7);
  std::string in, out;
  std::uint64_t acknowledged = 0;
  for (int i = 0; i < 3000; i++) {
    std::string some(random.below(4000), static_cast<char>('a' + i % 26));
    if (buffer.unsent() < 200'000) {
      ASSERT_TRUE(put(some));
      in += some;
    }
    out += take(random.below(3000));
    acknowledged += random.below(out.size() - acknowledged + 1);
    buffer.acknowledged(acknowledged, memory);
    ASSERT_EQ(buffer.unsent(), in.size() - out.size());
  }
  while (buffer.unsent() > 0) out += take(1400);
  EXPECT_EQ(in, out);
  EXPECT_FALSE(buffer.all_acknowledged());
  buffer.acknowledged(out.size(), memory);
  EXPECT_TRUE(buffer.all_acknowledged());
}

TEST_F(SendBufferTest, ALoneRequestCostsOneSmallChunk) {
  ASSERT_TRUE(put(std::string(200, 'r')));
  EXPECT_EQ(budget.used(), Chunk::kSizes[0]);
  take(200);
  buffer.acknowledged(200, memory);
  EXPECT_EQ(budget.used(), 0u);
}

TEST_F(SendBufferTest, ChunksGrowForAWriterThatFillsThemAndShrinkAgain) {
  ASSERT_TRUE(put(std::string(300'000, 'x')));
  EXPECT_EQ(buffer.prepare(memory, MemoryBudget::Use::ordinary).size() > Chunk::kSizes[1], true);
  buffer.commit(0, memory);
  while (buffer.unsent() > 0) take(SIZE_MAX);
  std::uint64_t at = 300'000;
  buffer.acknowledged(at, memory);
  for (int i = 0; i < 3; i++) {
    ASSERT_TRUE(put("small"));
    take(5);
    buffer.acknowledged(at += 5, memory);
  }
  ASSERT_TRUE(put("small"));
  EXPECT_EQ(budget.used(), Chunk::kSizes[0]);
  buffer.drop(memory);
}

TEST_F(SendBufferTest, TheBudgetRefusesAndTheReserveDoesNot) {
  MemoryBudget small(Chunk::kSizes[0] * 2, Chunk::kSizes[0]);
  StreamMemory own(small);
  SendBuffer a, b, c;
  EXPECT_FALSE(a.prepare(own, MemoryBudget::Use::ordinary).empty());
  EXPECT_TRUE(b.prepare(own, MemoryBudget::Use::ordinary).empty());
  EXPECT_FALSE(b.prepare(own, MemoryBudget::Use::reserved).empty());
  EXPECT_TRUE(c.prepare(own, MemoryBudget::Use::reserved).empty());
  a.drop(own);
  b.drop(own);
  c.drop(own);
  EXPECT_EQ(small.used(), 0u);
}

TEST_F(SendBufferTest, RoomStaysValidWhenTheStreamFailsUntilItsWriterComesBack) {
  ASSERT_TRUE(put(std::string(5000, 'x')));
  const MutableBytes room = buffer.prepare(memory, MemoryBudget::Use::ordinary);
  buffer.fail(memory);
  std::memset(room.data(), 'y', room.size());  // the sanitizer watches
  EXPECT_EQ(buffer.unsent(), 0u);
  EXPECT_GT(budget.used(), 0u);
  buffer.commit(room.size(), memory);
  EXPECT_EQ(budget.used(), 0u);
  EXPECT_EQ(buffer.unsent(), 0u);
  EXPECT_TRUE(buffer.prepare(memory, MemoryBudget::Use::ordinary).empty());
}

TEST_F(ReceiveBufferTest, BytesComeOutAsTheyWentInWhateverTheSteps) {
  Random random(8);
  std::string in, out;
  for (int i = 0; i < 3000; i++) {
    const std::string some(random.below(1500), static_cast<char>('a' + i % 26));
    buffer.append(as_bytes(some), memory);
    in += some;
    const std::size_t wanted = random.below(3000);
    for (std::size_t got = 0; got < wanted && buffer.size() > 0;) {
      const std::size_t n = std::min(wanted - got, buffer.peek().size());
      out += as_text(buffer.peek().first(n));
      buffer.consume(n, memory);
      got += n;
    }
  }
  while (buffer.size() > 0) {
    out += as_text(buffer.peek());
    buffer.consume(buffer.peek().size(), memory);
  }
  EXPECT_EQ(in, out);
}

TEST_F(ReceiveBufferTest, WhatWasPeekedStaysValidWhenTheStreamFailsUntilItsReaderComesBack) {
  buffer.append(as_bytes(std::string(100'000, 'x')), memory);
  const Bytes peeked = buffer.peek();
  buffer.fail(memory);
  EXPECT_EQ(as_text(peeked), std::string(peeked.size(), 'x'));  // the sanitizer watches
  EXPECT_EQ(buffer.size(), 0u);
  EXPECT_TRUE(buffer.peek().empty());
  buffer.consume(peeked.size(), memory);
  EXPECT_EQ(budget.used(), 0u);
}

struct DatagramQueueTest : Buffers {
  DatagramQueue queue{memory};
};

using net::Priority;

std::string popped(DatagramQueue& queue, Priority priority) {
  DatagramQueue::Lane& lane = queue.lane(priority);
  std::string text(as_text(lane.front()));
  queue.pop(lane);
  return text;
}

TEST_F(DatagramQueueTest, ASenderWithTooManyLosesItsOldest) {
  for (std::size_t i = 0; i < DatagramQueue::kMaxOfSender; i++) EXPECT_TRUE(queue.push(as_bytes(std::to_string(i)), Priority::bulk, 7));
  EXPECT_TRUE(queue.push(as_bytes("other"), Priority::bulk, 8));
  EXPECT_FALSE(queue.push(as_bytes("late"), Priority::bulk, 7));
  EXPECT_EQ(queue.size(), DatagramQueue::kMaxOfSender + 1);
  EXPECT_EQ(popped(queue, Priority::bulk), "1");
  EXPECT_EQ(popped(queue, Priority::bulk), "other");
  queue.clear();
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(budget.used(), 0u);
}

TEST_F(DatagramQueueTest, TooManyInAllDropTheOldestOfWhoHasMostInTheLeastImportantClass) {
  EXPECT_TRUE(queue.push(as_bytes("lone"), Priority::bulk, 1));
  EXPECT_TRUE(queue.push(as_bytes("a"), Priority::bulk, 2));
  EXPECT_TRUE(queue.push(as_bytes("b"), Priority::bulk, 2));
  for (std::uint64_t i = 3; i < DatagramQueue::kMax; i++) EXPECT_TRUE(queue.push(as_bytes("x"), Priority::interactive, i));
  EXPECT_FALSE(queue.push(as_bytes("late"), Priority::management, 1));
  EXPECT_EQ(queue.size(), DatagramQueue::kMax);
  EXPECT_EQ(popped(queue, Priority::bulk), "lone");
  EXPECT_EQ(popped(queue, Priority::bulk), "b");
  EXPECT_TRUE(queue.lane(Priority::bulk).empty());
  queue.clear();
}

TEST_F(DatagramQueueTest, SendersOfAClassTakeTurns) {
  for (const char* text : {"a1", "a2", "a3"}) queue.push(as_bytes(text), Priority::interactive, 1);
  queue.push(as_bytes("b1"), Priority::interactive, 2);
  for (const char* text : {"a1", "b1", "a2", "a3"}) EXPECT_EQ(popped(queue, Priority::interactive), text);
}

TEST_F(DatagramQueueTest, InOrderWithinASender) {
  queue.push(as_bytes("a"), Priority::bulk, 0);
  queue.push({}, Priority::bulk, 0);
  queue.push(as_bytes("b"), Priority::bulk, 0);
  for (const char* text : {"a", "", "b"}) EXPECT_EQ(popped(queue, Priority::bulk), text);
  EXPECT_TRUE(queue.lane(Priority::bulk).empty());
}

}  // namespace
}  // namespace fairlead::quic
