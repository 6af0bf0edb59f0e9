#include "sim/scenario.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <optional>
#include <span>
#include <type_traits>

#include "sim/network.h"

namespace fairlead::sim {
namespace {

using Units = std::map<std::string_view, double>;
const Units kDurations{{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}};
const Units kScales{{"", 1}, {"k", 1e3}, {"M", 1e6}, {"G", 1e9}};

struct Key {
  const Units& units;
  void (*set)(LinkOptions&, double);
};

template <auto Field>
void assign(LinkOptions& options, double value) {
  using Value = std::remove_reference_t<decltype(options.*Field)>;
  if constexpr (std::is_same_v<Value, Duration>) {
    options.*Field = Duration(static_cast<Duration::rep>(value));
  } else {
    options.*Field = static_cast<Value>(value);
  }
}

template <auto Field>
void assign_burst(LinkOptions& options, double value) {
  options.burst.*Field = value;
}

const std::map<std::string, Key, std::less<>> kKeys{
    {"rtt", {kDurations, assign<&LinkOptions::rtt>}},
    {"jitter", {kDurations, assign<&LinkOptions::jitter>}},
    {"loss", {kScales, assign<&LinkOptions::loss>}},
    {"burst.enter", {kScales, assign_burst<&BurstLoss::enter>}},
    {"burst.leave", {kScales, assign_burst<&BurstLoss::leave>}},
    {"burst.loss", {kScales, assign_burst<&BurstLoss::loss>}},
    {"reorder", {kScales, assign<&LinkOptions::reorder>}},
    {"reorder_delay", {kDurations, assign<&LinkOptions::reorder_delay>}},
    {"duplicate", {kScales, assign<&LinkOptions::duplicate>}},
    {"corrupt", {kScales, assign<&LinkOptions::corrupt>}},
    {"rate", {kScales, assign<&LinkOptions::rate>}},
    {"queue", {kScales, assign<&LinkOptions::queue>}},
    {"queue_bytes", {kScales, assign<&LinkOptions::queue_bytes>}},
    {"mark_at", {kScales, assign<&LinkOptions::mark_at>}},
    {"mtu", {kScales, assign<&LinkOptions::mtu>}},
};

std::optional<double> number(std::string_view text, const Units& units) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const auto unit = units.find(text.substr(static_cast<std::size_t>(end - text.data())));
  if (error != std::errc{} || unit == units.end() || !(value >= 0)) return std::nullopt;
  return value * unit->second;
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  for (;;) {
    const std::size_t begin = line.find_first_not_of(" \t\r");
    if (begin == std::string_view::npos) return words;
    line.remove_prefix(begin);
    const std::size_t size = std::min(line.find_first_of(" \t\r"), line.size());
    words.push_back(line.substr(0, size));
    line.remove_prefix(size);
  }
}

net::IpAddress next(const net::IpAddress& ip) {
  std::array<std::uint8_t, 16> bytes{};
  std::copy_n(ip.data(), ip.size(), bytes.begin());
  for (std::size_t i = ip.size(); i-- > 0;) {
    if (++bytes[i] != 0) break;
  }
  if (!ip.is_v4()) return net::IpAddress::v6(bytes);
  return net::IpAddress::v4(std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 | std::uint32_t{bytes[2]} << 8 | bytes[3]);
}

}  // namespace

Result<Scenario::Word> Scenario::parse_word(std::string_view text) {
  static const std::map<std::string_view, Event> kEvents{
      {"down", Event::down}, {"up", Event::up}, {"perfect", Event::perfect}, {"rebind", Event::rebind}, {"address", Event::address}};
  if (const auto event = kEvents.find(text); event != kEvents.end()) return Word{.event = event->second};
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos) return fail(Code::invalid, "no such word: {}", text);
  std::string_view key = text.substr(0, equals);
  Word word;
  if (key.starts_with("out.")) word.direction = Direction::out;
  if (key.starts_with("in.")) word.direction = Direction::in;
  if (word.direction != Direction::both) key.remove_prefix(key.find('.') + 1);
  const auto found = kKeys.find(key);
  if (found == kKeys.end()) return fail(Code::invalid, "no such key: {}", key);
  const std::optional<double> value = number(text.substr(equals + 1), found->second.units);
  if (!value) return fail(Code::invalid, "not a value: {}", text);
  word.key = key;
  word.value = *value;
  return word;
}

Result<Scenario> Scenario::parse(std::string_view text) {
  Scenario scenario;
  for (std::size_t number_of_line = 1; !text.empty(); number_of_line++) {
    const std::size_t size = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, size);
    text.remove_prefix(std::min(size + 1, text.size()));
    const std::vector<std::string_view> words = words_of(line.substr(0, line.find('#')));
    if (words.empty()) continue;
    const std::optional<double> at = number(words.front(), kDurations);
    if (!at) return fail(Code::invalid, "line {}: not a time: {}", number_of_line, words.front());
    Step step{.at = Duration(static_cast<Duration::rep>(*at)), .words = {}};
    if (step.at < scenario.length()) return fail(Code::invalid, "line {}: earlier than the line before: {}", number_of_line, words.front());
    for (const std::string_view each : std::span(words).subspan(1)) {
      Result<Word> word = parse_word(each);
      if (!word) return fail(Code::invalid, "line {}: {}", number_of_line, word.error().message());
      step.words.push_back(std::move(*word));
    }
    scenario.steps_.push_back(std::move(step));
  }
  return scenario;
}

Result<Scenario> Scenario::load(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return fail(Code::not_found, "cannot read {}", file.string());
  return parse(std::string(std::istreambuf_iterator<char>(in), {}));
}

void Scenario::play(Network& network, Host& near, Host& far) const {
  const TimePoint begin = network.loop().now();
  for (const Step& step : steps_) {
    network.schedule().at(begin + step.at, [words = step.words, &network, &near, &far] {
      for (const Word& word : words) act(word, network, near, far);
    });
  }
}

void Scenario::act(const Word& word, Network& network, Host& near, Host& far) {
  switch (word.event) {
    case Event::down:
    case Event::up: network.set_up(near, far, word.event == Event::up); return;
    case Event::perfect:
      network.set_options(near, far, {.seed = network.path(near, far).options().seed});
      network.set_up(near, far, true);
      return;
    case Event::rebind:
      if (near.nat() != nullptr) near.nat()->rebind();
      return;
    case Event::address: {
      const net::IpAddress old = near.addresses().front();
      near.change_address(old, next(old));
      return;
    }
    case Event::none: break;
  }
  const Key& key = kKeys.find(word.key)->second;
  if (word.direction != Direction::in) key.set(network.path(near, far).options(), word.value);
  if (word.direction != Direction::out) key.set(network.path(far, near).options(), word.value);
}

}  // namespace fairlead::sim
