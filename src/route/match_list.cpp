#include "route/match_list.h"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <utility>

#include "http/target.h"

namespace fairlead::route {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// Texts that live as long as the thread.
std::string& name_scratch() {
  thread_local std::string text;
  return text;
}
std::string& value_scratch() {
  thread_local std::string text;
  return text;
}

void lower_into(std::string_view text, std::string& into) {
  into.resize(text.size());
  std::ranges::transform(text, into.begin(), lower);
}

std::string lower_text(std::string_view text) {
  std::string out;
  lower_into(text, out);
  return out;
}

// Which exact values are wanted, and by how many.
class Wanted {
 public:
  void count(const RequestMatch& match) {
    for (const ValueMatch& h : match.headers) counts_[key('h', h)]++;
    for (const ValueMatch& q : match.query) counts_[key('q', q)]++;
  }
  // The one of `values` that fewest want; null if none is exact.
  std::pair<const ValueMatch*, std::size_t> rarest(char kind, const std::vector<ValueMatch>& values) const {
    const ValueMatch* best = nullptr;
    std::size_t least = SIZE_MAX;
    for (const ValueMatch& v : values) {
      if (v.regex) continue;
      const std::size_t n = counts_.at(key(kind, v));
      if (n < least) best = &v, least = n;
    }
    return {best, least};
  }

 private:
  static std::string key(char kind, const ValueMatch& v) {
    std::string text(1, kind);
    text += kind == 'h' ? lower_text(v.name) : v.name;
    text += '\0';
    if (!v.regex) text += v.value;
    return text;
  }
  std::unordered_map<std::string, std::size_t> counts_;
};

}  // namespace

void MatchList::Values::file(std::string_view value, std::uint32_t place) {
  const std::uint32_t n = index.put(RollingHash::of(value), value);
  if (n == places.size()) places.emplace_back();
  places[n].push_back(place);
  longest = std::max(longest, value.size());
}

std::span<const std::uint32_t> MatchList::Values::find(std::string_view value) const {
  if (value.size() > longest) return {};
  const std::uint32_t n = index.find(RollingHash::of(value), value);
  return n == HashIndex::kNone ? std::span<const std::uint32_t>{} : places[n];
}

void MatchList::finish() {
  std::ranges::sort(entries_, {}, [](const Entry& e) { return std::pair(e.match->precedence(), e.number); });
  if (entries_.size() <= kShort) return;
  index_ = std::make_unique<Index>();
  Wanted wanted;
  for (const Entry& e : entries_) wanted.count(*e.match);
  for (std::uint32_t place = 0; place < entries_.size(); place++) {
    const RequestMatch& match = *entries_[place].match;
    const auto [header, header_count] = wanted.rarest('h', match.headers);
    const auto [query, query_count] = wanted.rarest('q', match.query);
    const bool by_header = header && header_count <= query_count;
    file(place, by_header ? header : nullptr, by_header ? nullptr : query);
  }
}

void MatchList::file(std::uint32_t place, const ValueMatch* header, const ValueMatch* query) {
  if (header) {
    const std::string name = lower_text(header->name);
    const std::uint32_t n = index_->header_names.put(RollingHash::of(name), name);
    if (n == index_->headers.size()) index_->headers.emplace_back();
    index_->longest_header_name = std::max(index_->longest_header_name, name.size());
    return index_->headers[n].file(header->value, place);
  }
  if (query) {
    const std::uint64_t hash = RollingHash::of(query->name);
    if (index_->query_names.find(hash, query->name) != HashIndex::kNone || index_->query_names.size() < kQueryNames) {
      const std::uint32_t n = index_->query_names.put(hash, query->name);
      if (n == index_->queries.size()) index_->queries.emplace_back();
      return index_->queries[n].file(query->value, place);
    }
  }
  index_->others.push_back(place);
}

void MatchList::try_in_turn(std::span<const std::uint32_t> places, const RequestToMatch& request, std::uint32_t& best) const {
  for (const std::uint32_t place : places) {
    if (place >= best) return;
    if (!entries_[place].match->takes_rest(request)) continue;
    best = place;
    return;
  }
}

std::uint32_t MatchList::first(const RequestToMatch& request) const {
  if (!index_) {
    for (const Entry& e : entries_)
      if (e.match->takes_rest(request)) return e.number;
    return kNone;
  }
  std::uint32_t best = kNone;
  std::string &name = name_scratch(), &value = value_scratch();
  if (index_->header_names.size() > 0)
    for (const http::Field& field : request.fields) {
      if (field.name.size() > index_->longest_header_name) continue;
      lower_into(field.name, name);
      const std::uint32_t n = index_->header_names.find(RollingHash::of(name), name);
      // A name that comes again was asked with its first field.
      if (n == HashIndex::kNone || &field != request.fields.find(name)) continue;
      try_in_turn(index_->headers[n].find(*joined_value(request.fields, name, value)), request, best);
    }
  for (std::uint32_t n = 0; n < index_->query_names.size(); n++)
    if (const auto found = http::query_parameter(request.query, index_->query_names.key(n), value))
      try_in_turn(index_->queries[n].find(*found), request, best);
  try_in_turn(index_->others, request, best);
  return best == kNone ? kNone : entries_[best].number;
}

}  // namespace fairlead::route
