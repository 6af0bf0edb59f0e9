#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/random.h"
#include "quic/cid_map.h"
#include "quic/cid_source.h"

namespace fairlead::quic {
namespace {

ConnectionId random_id(Random& random, std::size_t size) {
  ConnectionId id;
  id.size = static_cast<std::uint8_t>(size);
  for (std::size_t i = 0; i < size; i++) id.bytes[i] = static_cast<std::uint8_t>(random.next());
  return id;
}

TEST(CidMap, AgreesWithAnOrdinaryMapThroughManyChanges) {
  Random random(7);
  CidMap<int> map(random.next());
  std::map<std::string, std::pair<ConnectionId, int*>> model;
  std::vector<int> values(64);
  for (int step = 0; step < 50'000; step++) {
    // Few distinct ids, so that probes run into each other and what is erased comes back.
    ConnectionId id = random_id(random, 1 + random.below(2));
    id.bytes[0] &= 0x1f;
    if (id.size == 2) id.bytes[1] &= 0x07;
    int* value = &values[random.below(values.size())];
    const std::string key(id.view());
    if (random.chance(0.5)) {
      map.put(id, *value);
      model[key] = {id, value};
    } else if (auto it = model.find(key); it != model.end()) {
      int* owner = it->second.second;
      if (owner != value) map.erase(id, *value);  // another's: nothing happens
      EXPECT_EQ(map.find(id), owner);
      map.erase(id, *owner);
      model.erase(it);
    }
    ASSERT_EQ(map.size(), model.size());
    if (step % 500 == 0) {
      for (const auto& [text, entry] : model) ASSERT_EQ(map.find(entry.first), entry.second);
    }
  }
}

TEST(CidMap, AnIdAndItsPrefixWithZerosAreDifferent) {
  CidMap<int> map(1);
  int a = 0;
  ConnectionId id;
  id.size = 8;
  map.put(id, a);
  ConnectionId longer = id;
  longer.size = 9;
  EXPECT_EQ(map.find(id), &a);
  EXPECT_EQ(map.find(longer), nullptr);
}

TEST(CidMap, AnEmptyIdCanBeLookedUp) {
  CidMap<int> map(1);
  EXPECT_EQ(map.find(ConnectionId{}), nullptr);
}

TEST(LoopCids, EveryIdNamesItsLoopAndNothingElseRepeats) {
  for (const std::uint16_t loops : std::initializer_list<std::uint16_t>{1, 2, 3, 7, 100, 128}) {
    for (std::uint16_t loop = 0; loop < loops; loop = static_cast<std::uint16_t>(loop + 1 + loops / 5)) {
      LoopCids cids(LoopIndex(loop), loops, {});
      std::set<std::string> seen;
      std::set<int> first;
      for (int i = 0; i < 500; i++) {
        const ConnectionId id = cids.next();
        EXPECT_EQ(id.size, ConnectionId::kOurSize);
        EXPECT_EQ(loop_of(id, loops), LoopIndex(loop));
        EXPECT_TRUE(seen.emplace(id.view()).second);
        first.insert(id.bytes[0]);
      }
      EXPECT_GT(first.size(), 1u) << "of " << loops << " loops: the first byte must not be a constant";
    }
  }
}

TEST(LoopCids, MoreLoopsThanTheFirstByteCanTellAreRefused) {
  EXPECT_NO_THROW(LoopCids(LoopIndex(0), LoopCids::kMaxLoops, {}));
  EXPECT_THROW(LoopCids(LoopIndex(0), LoopCids::kMaxLoops + 1, {}), std::logic_error);
  EXPECT_THROW(LoopCids(LoopIndex(2), 2, {}), std::logic_error);
  EXPECT_THROW(LoopCids(LoopIndex(0), 0, {}), std::logic_error);
}

TEST(LoopCids, AResetTokenDependsOnTheIdAndTheSecretOnly) {
  EndpointSecrets secrets;
  secrets.reset[0] = std::byte{1};
  LoopCids one(LoopIndex(0), 2, secrets);
  LoopCids other(LoopIndex(1), 2, secrets);
  LoopCids stranger(LoopIndex(0), 2, {});
  const ConnectionId id = one.next();
  EXPECT_EQ(one.reset_token(id), other.reset_token(id));
  EXPECT_NE(one.reset_token(id), stranger.reset_token(id));
  EXPECT_NE(one.reset_token(id), one.reset_token(one.next()));
}

}  // namespace
}  // namespace fairlead::quic
