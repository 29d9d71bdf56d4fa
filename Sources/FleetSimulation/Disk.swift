import AgentCore
import CoordinatorCore
import NetworkTypes

/// The agent's journal on its host's disk, as the `Journal` module keeps it.
///
/// | part | survives the process | survives the host |
/// |---|---|---|
/// | `entries` up to `durableSequence` | yes | yes |
/// | what is queued or being synced | a prefix, torn anywhere | a prefix, torn anywhere |
///
/// A torn tail is cut at the next opening, so what is left is always a prefix in order.
struct JournalDisk {
    enum Item {
        case records([JournalRecord], first: UInt64, Token)
        case checkpoint(JournalRecord, sequence: UInt64)
    }

    /// Header of the file; nil when there is none.
    var incarnation: Incarnation?
    var fingerprint = ""
    /// Durable, since the last checkpoint.
    var entries: [JournalEntry] = []
    var durableSequence: UInt64 = 0
    /// Submitted while a sync is under way: they share the next one.
    var queued: [Item] = []
    var syncing: [Item] = []
    var isSyncing = false
    /// Sequence of the last submitted record.
    var submitted: UInt64 = 0
    var isFull = false
    /// How many entries are as they were written, where the file is damaged behind them.
    var good: Int?
    /// A write failed: nothing is written any more by this process.
    var isBroken = false

    /// Makes the items durable and returns the tokens to answer.
    mutating func harden(_ items: [Item]) -> [Token] {
        var tokens: [Token] = []
        for item in items {
            switch item {
            case .records(let records, let first, let token):
                for (offset, record) in records.enumerated() {
                    entries.append(JournalEntry(sequence: first + UInt64(offset), record: record))
                }
                durableSequence = first + UInt64(records.count) - 1
                tokens.append(token)
            case .checkpoint(let record, let sequence):
                entries = [JournalEntry(sequence: sequence, record: record)]
                durableSequence = sequence
            }
        }
        return tokens
    }

    /// The process or the host dies: `kept` records of what was under way had reached the disk.
    ///
    /// - Returns: records that are lost.
    mutating func tear(keeping kept: Int) -> Int {
        var left = kept
        var lost = 0
        for item in syncing + queued {
            switch item {
            case .records(let records, let first, let token):
                let part = min(left, records.count)
                left -= part
                lost += records.count - part
                if part > 0 { _ = harden([.records(Array(records.prefix(part)), first: first, token)]) }
            case .checkpoint:
                // A rotation renames a whole new file or changes nothing.
                if left > 0, lost == 0 { _ = harden([item]) }
            }
            if lost > 0 { left = 0 }
        }
        syncing = []
        queued = []
        isSyncing = false
        isBroken = false
        submitted = durableSequence
        return lost
    }

    /// The file is damaged, and what is left of it becomes the first record of a new one.
    mutating func salvage(with ports: [AdoptedPort]) {
        guard let good else { return }
        let entries = Array(entries.prefix(good))
        durableSequence = (entries.last?.sequence ?? 0) + 1
        let record = JournalRecord.checkpoint(.salvaged(from: entries, kernelPorts: ports))
        self.entries = [JournalEntry(sequence: durableSequence, record: record)]
        self.good = nil
    }

    var underway: Int {
        (syncing + queued).reduce(0) { sum, item in
            if case .records(let records, _, _) = item { sum + records.count } else { sum + 1 }
        }
    }
}

/// The coordinator's store: an event log with snapshots, one writer at a time.
struct StoreDisk {
    var snapshot: CoordinatorSnapshot?
    /// After the snapshot.
    var events: [CoordinatorEvent] = []
    /// All that was ever stored about the book, from which the checker rebuilds its own ledger.
    var history: [CoordinatorEvent] = []
    /// The process that holds the store; a write of any other fails.
    var owner = -1
    var isFull = false
    /// What a backup that was made some time ago holds.
    var backup: Backup?
    /// The operator says at every start that this is an old backup, until one has come to write that down.
    var isDeclaredOld = false

    struct Backup {
        var snapshot: CoordinatorSnapshot?
        var events: [CoordinatorEvent]
        var history: [CoordinatorEvent]

        /// A host that joined after the backup cannot be waited for.
        func knowsHosts(of store: StoreDisk) -> Bool {
            func joined(_ events: [CoordinatorEvent]) -> Set<HostID> {
                events.reduce(into: []) { if case .hostGranted(let record) = $1 { $0.insert(record.id) } }
            }
            return joined(history) == joined(store.history)
        }
    }

    mutating func append(_ added: [CoordinatorEvent]) {
        events += added
        for event in added where event.concernsLedger {
            history.append(event)
            if case .restoration(.started) = event { isDeclaredOld = false }
        }
    }

    mutating func save(_ image: CoordinatorSnapshot) {
        snapshot = image
        events = []
    }

    mutating func makeBackup() { backup = Backup(snapshot: snapshot, events: events, history: history) }
}

extension CoordinatorEvent {
    var concernsLedger: Bool {
        switch self {
        case .book, .applicationCreated, .applicationUpdated, .applicationDeleting, .applicationDeleted, .hostGranted,
            .termStarted, .host, .generationRaised, .restoration, .migration:
            true
        default: false
        }
    }
}
