public import CoordinatorCore

/// What a store kept: the newest snapshot and every event after it, in order.
public struct StoredState: Hashable, Sendable {
    public var snapshot: StoredSnapshot?
    /// Sequences follow the snapshot's without a gap.
    public var events: [StoredEvent]

    /// Sequence of the last thing kept; 0 for an empty store.
    public var lastSequence: UInt64 { events.last?.sequence ?? snapshot?.sequence ?? 0 }

    public init(snapshot: StoredSnapshot? = nil, events: [StoredEvent] = []) {
        self.snapshot = snapshot
        self.events = events
    }
}

/// One event and its place in the log, from 1.
public struct StoredEvent: Hashable, Sendable {
    public var sequence: UInt64
    public var event: CoordinatorEvent
    public init(sequence: UInt64, event: CoordinatorEvent) {
        self.sequence = sequence
        self.event = event
    }
}

/// The machine's own image, which says the same as all events up to `sequence`.
public struct StoredSnapshot: Hashable, Sendable {
    public var sequence: UInt64
    /// Opaque to the store.
    public var image: [UInt8]
    public init(sequence: UInt64, image: [UInt8]) {
        self.sequence = sequence
        self.image = image
    }
}

/// The coordinator's memory: an event log with snapshots. One process at a time holds it.
///
/// What ``append(_:)`` returned for survives a crash of the process and of the machine. A batch is kept whole or not
/// at all.
public protocol Store: Sendable {
    /// Everything needed to rebuild the state.
    func load() async throws(StoreError) -> StoredState

    /// Adds events after the last ones, durably and with one disk synchronisation for all of them.
    ///
    /// - Returns: the sequence of the last one.
    func append(_ events: [CoordinatorEvent]) async throws(StoreError) -> UInt64

    /// Keeps a snapshot durably, and forgets the events and snapshots that it replaces.
    func save(_ snapshot: StoredSnapshot) async throws(StoreError)

    /// A named value beside the log, such as the identity of the installation.
    func meta(_ key: String) async throws(StoreError) -> String?
    func setMeta(_ key: String, _ value: String) async throws(StoreError)

    /// Gives the store to the next opener. Nothing else may be called afterwards.
    func close() async throws(StoreError)
}
