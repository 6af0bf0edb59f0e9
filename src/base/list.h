// list.h: an intrusive doubly linked list. A hook leaves its list when it is destroyed, in O(1) and without knowing the list:
// that is what makes it safe to destroy a suspended coroutine.
#pragma once
#include <cstddef>

namespace fairlead {

class ListHook {
 public:
  ListHook() = default;
  ListHook(const ListHook&) = delete;
  ListHook& operator=(const ListHook&) = delete;
  ~ListHook() { unlink(); }

  bool linked() const { return next_ != this; }
  void unlink() {
    prev_->next_ = next_;
    next_->prev_ = prev_;
    prev_ = next_ = this;
  }

 private:
  template <class T>
  friend class List;
  ListHook* prev_ = this;
  ListHook* next_ = this;
};

// T derives from ListHook. The list does not own its elements; destroying it leaves them unlinked.
template <class T>
class List {
 public:
  List() = default;
  List(const List&) = delete;
  List& operator=(const List&) = delete;
  ~List() { clear(); }

  bool empty() const { return !head_.linked(); }
  T& front() { return static_cast<T&>(*head_.next_); }
  T& back() { return static_cast<T&>(*head_.prev_); }

  // An element that is in a list already moves.
  void push_back(T& element) { insert_before(head_, element); }
  void push_front(T& element) { insert_before(*head_.next_, element); }
  T* pop_front() {
    if (empty()) return nullptr;
    T& first = front();
    static_cast<ListHook&>(first).unlink();
    return &first;
  }
  // Takes all elements of `other`, behind our own.
  void splice(List& other) {
    if (other.empty()) return;
    ListHook* first = other.head_.next_;
    ListHook* last = other.head_.prev_;
    other.head_.prev_ = other.head_.next_ = &other.head_;
    first->prev_ = head_.prev_;
    last->next_ = &head_;
    head_.prev_->next_ = first;
    head_.prev_ = last;
  }
  void clear() {
    while (pop_front() != nullptr) {
    }
  }

  class Iterator {
   public:
    explicit Iterator(ListHook* at) : at_(at) {}
    T& operator*() const { return static_cast<T&>(*at_); }
    Iterator& operator++() {
      at_ = at_->next_;
      return *this;
    }
    friend bool operator==(Iterator, Iterator) = default;

   private:
    ListHook* at_;
  };
  Iterator begin() { return Iterator(head_.next_); }
  Iterator end() { return Iterator(&head_); }

 private:
  void insert_before(ListHook& place, T& element) {
    ListHook& hook = element;
    hook.unlink();
    hook.prev_ = place.prev_;
    hook.next_ = &place;
    place.prev_->next_ = &hook;
    place.prev_ = &hook;
  }
  ListHook head_;
};

}  // namespace fairlead
