import NetworkTypes

/// The last reading of every counter of one source.
///
/// | what is read | what comes of it |
/// |---|---|
/// | known key and identity, counters moved as a machine can | the difference, `late` when readings were missed between |
/// | known key and identity, counters fell or jumped | `reset`: the reading is the new beginning |
/// | known key, another identity (an index used again, a device made anew) that began at 0 with us | all of it |
/// | known key, another identity | `reset` |
/// | unknown key that began at 0 with us | all of it |
/// | unknown key | `unbased`: the reading is the beginning |
struct CounterBook<Key: Hashable & Sendable, Value: CounterGroup>: Sendable {
    struct Entry: Sendable {
        var identity: UInt64
        var value: Value
        var at: Instant
    }

    enum Outcome {
        case counted(Value, late: Bool)
        case unbased
        case reset
    }

    private(set) var entries: [Key: Entry] = [:]

    /// - Parameters:
    ///   - isNew: the counters began at 0 after the reading before this one.
    ///   - patience: time between two readings above which some were missed.
    mutating func take(
        _ key: Key, identity: UInt64, _ value: Value, isNew: Bool, at now: Instant, patience: Duration
    ) -> Outcome {
        let before = entries.updateValue(Entry(identity: identity, value: value, at: now), forKey: key)
        guard let before, before.identity == identity else {
            if isNew { return .counted(value, late: false) }
            return before == nil ? .unbased : .reset
        }
        let elapsed = now - before.at
        guard let difference = value.since(before.value, within: elapsed) else { return .reset }
        return .counted(difference, late: elapsed > patience)
    }

    mutating func forget(_ key: Key) { entries[key] = nil }

    /// Forgets what does not satisfy.
    mutating func keep(where isKept: (Key) -> Bool) { entries = entries.filter { isKept($0.key) } }

    subscript(_ key: Key) -> Entry? { entries[key] }
    var count: Int { entries.count }
}
