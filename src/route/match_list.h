// match_list.h: the matches of one host name and one path, in order of precedence, and the first of them that takes a request.
//
// A long list is entered by the request's own headers and query parameters: a match that wants an exact value is filed under the value
// that fewest others want, so that thousands of tenants told apart by a header cost one look-up. What wants no exact value is tried in
// turn. Immutable once finished, asked by any thread; a look-up allocates nothing but, for each thread, room for the longest value.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "route/hash_index.h"
#include "route/request_match.h"

namespace fairlead::route {

class MatchList {
 public:
  static constexpr std::uint32_t kNone = HashIndex::kNone;
  // Up to here trying each in turn is as fast as a look-up.
  static constexpr std::size_t kShort = 8;
  // Query parameters that matches are filed under: each is looked for in the whole query. A rule for a 17th is tried in turn.
  static constexpr std::uint32_t kQueryNames = 16;

  // `number`: the caller's, in order of precedence among equals; `match` outlives the list.
  void add(std::uint32_t number, const RequestMatch& match) { entries_.push_back({number, &match}); }
  // After the last add().
  void finish();

  bool empty() const { return entries_.empty(); }
  // The number of the first match whose method, headers and query the request has; kNone if there is none.
  std::uint32_t first(const RequestToMatch& request) const;

 private:
  struct Entry {
    std::uint32_t number;
    const RequestMatch* match;
  };
  // Of one header or query parameter: the places in entries_ that want a value.
  struct Values {
    HashIndex index;
    std::vector<std::vector<std::uint32_t>> places;
    std::size_t longest = 0;

    void file(std::string_view value, std::uint32_t place);
    std::span<const std::uint32_t> find(std::string_view value) const;
  };
  struct Index {
    HashIndex header_names, query_names;  // of headers: in lower case
    std::vector<Values> headers, queries;
    std::size_t longest_header_name = 0;
    std::vector<std::uint32_t> others;
  };

  void file(std::uint32_t place, const ValueMatch* header, const ValueMatch* query);
  // Lowers `best` to the first of `places` that takes the request.
  void try_in_turn(std::span<const std::uint32_t> places, const RequestToMatch& request, std::uint32_t& best) const;

  std::vector<Entry> entries_;
  std::unique_ptr<Index> index_;  // none: a short list
};

}  // namespace fairlead::route
