// node_builder.h: puts a tree of Nodes together from the events of a parser, and holds the limits while it does.
#pragma once
#include <string>
#include <vector>

#include "route/document.h"

namespace fairlead::route {

class NodeBuilder {
 public:
  explicit NodeBuilder(Problems& problems) : problems_(problems) {}

  // Each returns false when a limit is passed, which has been reported: the parser must stop.
  bool begin(Node::Kind kind, Position at);  // a sequence or a mapping
  bool end();
  bool add(Node scalar);                    // a value
  bool key(std::string name, Position at);  // of the mapping that is open, when wants_key()

  bool wants_key() const { return !open_.empty() && open_.back().node.kind == Node::Kind::mapping && !open_.back().has_key; }
  void error(Position at, std::string_view message);  // at the field that is being read

  std::vector<Node> take() { return std::move(documents_); }

 private:
  struct Open {
    Node node;
    std::string key;
    Position key_at;
    bool has_key = false;
  };
  bool count(Position at);
  void place(Node node);
  void refuse_duplicates(const Node& mapping);
  std::string path() const;

  Problems& problems_;
  std::vector<Open> open_;
  std::vector<Node> documents_;
  std::size_t nodes_ = 0;
};

// The readers behind parse_document. `text` is valid UTF-8 without control characters.
std::vector<Node> read_yaml(std::string_view text, Problems& problems);
std::vector<Node> read_json(std::string_view text, Problems& problems);

}  // namespace fairlead::route
