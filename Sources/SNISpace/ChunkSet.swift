/// An ordered set of chunk numbers (below 2^16) that costs eight bytes while it is empty.
///
/// Few members are a sorted array; more are a bit map with a summary, so that no operation depends on their number.
struct ChunkSet: Sendable {
    private enum Storage: Sendable {
        case few([UInt16])
        /// The number of members, 16 words that say which words are not empty, and as many words as members need.
        case many([UInt64])
    }
    private var storage = Storage.few([])
    static let fewMax = 32
    private static let head = 17

    init() {}

    var isEmpty: Bool { count == 0 }

    var count: Int {
        switch storage {
        case .few(let members): members.count
        case .many(let words): Int(words[0])
        }
    }

    func contains(_ chunk: UInt32) -> Bool {
        switch storage {
        case .few(let members): return members.contains(UInt16(chunk))
        case .many(let words):
            let place = Self.head + Int(chunk >> 6)
            return place < words.count && words[place] >> UInt64(chunk & 63) & 1 != 0
        }
    }

    /// Adds a chunk that may be a member.
    mutating func insert(_ chunk: UInt32) {
        switch storage {
        case .few(var members):
            // Nobody else may hold the array while it changes, else it is copied.
            storage = .few([])
            let value = UInt16(chunk)
            let place = members.firstIndex { $0 >= value } ?? members.count
            if place == members.count || members[place] != value { members.insert(value, at: place) }
            storage = members.count > Self.fewMax ? .many(Self.spread(members)) : .few(members)
        case .many(var words):
            storage = .few([])
            Self.add(chunk, to: &words)
            storage = .many(words)
        }
    }

    /// Removes a chunk that may not be a member.
    mutating func remove(_ chunk: UInt32) {
        switch storage {
        case .few(var members):
            storage = .few([])
            if let place = members.firstIndex(of: UInt16(chunk)) { members.remove(at: place) }
            storage = .few(members)
        case .many(var words):
            storage = .few([])
            Self.cut(chunk, from: &words)
            // Well below the limit, so that a set that wavers around it is not rebuilt each time.
            storage = words[0] <= Self.fewMax / 2 ? .few(Self.gathered(words)) : .many(words)
        }
    }

    var min: UInt32? { next(from: 0) }

    /// The smallest member that is not below `chunk`.
    func next(from chunk: UInt32) -> UInt32? {
        switch storage {
        case .few(let members): return members.first { UInt32($0) >= chunk }.map { UInt32($0) }
        case .many(let words): return Self.next(in: words, from: chunk)
        }
    }

    private static func next(in words: [UInt64], from chunk: UInt32) -> UInt32? {
        guard chunk < 1 << 16 else { return nil }
        let place = Int(chunk >> 6)
        if head + place < words.count {
            let rest = words[head + place] & UInt64.max << UInt64(chunk & 63)
            if rest != 0 { return UInt32(place) << 6 | UInt32(rest.trailingZeroBitCount) }
        }
        var cursor = place + 1
        while cursor < 1024 {
            let summary = words[1 + cursor >> 6] & UInt64.max << UInt64(cursor & 63)
            if summary != 0 {
                let found = cursor & ~63 + summary.trailingZeroBitCount
                return UInt32(found) << 6 | UInt32(words[head + found].trailingZeroBitCount)
            }
            cursor = cursor & ~63 + 64
        }
        return nil
    }

    private static func add(_ chunk: UInt32, to words: inout [UInt64]) {
        let place = Int(chunk >> 6)
        while words.count <= head + place { words.append(0) }
        let bit: UInt64 = 1 << UInt64(chunk & 63)
        guard words[head + place] & bit == 0 else { return }
        words[head + place] |= bit
        words[1 + place >> 6] |= 1 << UInt64(place & 63)
        words[0] += 1
    }

    private static func cut(_ chunk: UInt32, from words: inout [UInt64]) {
        let place = Int(chunk >> 6)
        let bit: UInt64 = 1 << UInt64(chunk & 63)
        guard head + place < words.count, words[head + place] & bit != 0 else { return }
        words[head + place] &= ~bit
        if words[head + place] == 0 { words[1 + place >> 6] &= ~(1 << UInt64(place & 63)) }
        words[0] -= 1
    }

    private static func spread(_ members: [UInt16]) -> [UInt64] {
        var words = [UInt64](repeating: 0, count: head)
        for member in members { add(UInt32(member), to: &words) }
        return words
    }

    private static func gathered(_ words: [UInt64]) -> [UInt16] {
        var members: [UInt16] = []
        var cursor: UInt32 = 0
        while let found = next(in: words, from: cursor) {
            members.append(UInt16(found))
            cursor = found + 1
        }
        return members
    }
}

extension ChunkSet: Sequence {
    /// Ascending.
    func makeIterator() -> AnyIterator<UInt32> {
        var cursor: UInt32 = 0
        return AnyIterator {
            guard let found = next(from: cursor) else { return nil }
            cursor = found + 1
            return found
        }
    }
}

/// Chunks by the levels of something that they hold.
struct LevelSets: Sendable {
    private var sets: [ChunkSet] = []

    /// The lowest chunk that holds something of exactly this level.
    func lowest(level: Int) -> UInt32? { level < sets.count ? sets[level].min : nil }

    /// The first answer of the lowest chunks that hold something of exactly this level; at most `tries` are asked.
    @inline(__always)
    func first<Answer>(level: Int, tries: Int, _ answer: (UInt32) -> Answer?) -> Answer? {
        guard level < sets.count else { return nil }
        var cursor: UInt32 = 0
        for _ in 0..<tries {
            guard let chunk = sets[level].next(from: cursor) else { return nil }
            if let found = answer(chunk) { return found }
            cursor = chunk + 1
        }
        return nil
    }

    /// Chunks that hold something of exactly this level, ascending.
    func chunks(level: Int) -> [UInt32] { level < sets.count ? Array(sets[level]) : [] }

    /// True when a chunk holds something of a level from `level` on.
    func holds(from level: Int) -> Bool { sets.dropFirst(level).contains { !$0.isEmpty } }

    mutating func update(_ chunk: UInt32, from before: UInt16, to after: UInt16) {
        var changed = before ^ after
        while changed != 0 {
            let level = changed.trailingZeroBitCount
            changed &= changed - 1
            while sets.count <= level { sets.append(ChunkSet()) }
            if after >> UInt16(level) & 1 != 0 { sets[level].insert(chunk) } else { sets[level].remove(chunk) }
        }
    }
}
