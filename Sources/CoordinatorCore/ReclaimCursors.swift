/// Cursors of the reclaimed list as callers see them. A restored book counts on from where its backup was, over cursors
/// that callers may have seen already; so every generation counts in a range of its own.
struct ReclaimCursors: Hashable, Sendable, Codable {
    struct Epoch: Hashable, Sendable, Codable {
        /// Last cursor of the book before the generation began.
        var after: UInt64
        /// Added to the cursors that follow.
        var shift: UInt64
    }
    private var epochs: [Epoch] = []

    mutating func begin(_ generation: UInt64, after cursor: UInt64) {
        epochs.append(Epoch(after: cursor, shift: generation << 40))
    }

    func outer(_ cursor: UInt64) -> UInt64 {
        cursor + (epochs.last { $0.after < cursor }?.shift ?? 0)
    }

    /// The cursor of the book that stands for a caller's: never beyond the end of the generation that it is of.
    func inner(_ cursor: UInt64) -> UInt64 {
        let index = epochs.lastIndex { $0.shift <= cursor }
        let next = index.map { $0 + 1 } ?? 0
        let plain = cursor - (index.map { epochs[$0].shift } ?? 0)
        return next < epochs.count ? min(plain, epochs[next].after) : plain
    }
}
