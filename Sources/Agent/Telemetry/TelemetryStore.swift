import AgentCore
import FleetMapping
import FleetProtocol
import FoundationEssentials
import Journal
import LocalAPI
import Logging
import NetworkTypes
import Synchronization

/// A VM's process or control group, as it was given.
struct AssignedWorkload: Hashable, Sendable {
    var wish: WorkloadWish
    /// When the process began: tells it from a later one of the same number.
    var began: Instant?
}

/// What telemetry keeps on disk: aggregates that nobody has taken, and which process or control group belongs to which
/// VM. A file of its own beside the journal: nothing in it is a promise, so its loss costs gaps and stops nothing.
final class TelemetryStore: Sendable {
    private struct State {
        var batches: [Aggregates] = []
        var workloads: [String: AssignedWorkload] = [:]
        var records = 0
    }
    private enum Kind {
        static let batch: UInt8 = 1
        static let workload: UInt8 = 2
        /// Everything: parts, each with its length before it.
        static let whole: UInt8 = 3
    }

    private let journal: Journal
    private let boot: BootID
    private let state: Mutex<State>
    private let failure = Mutex<String?>(nil)
    /// Intervals that were kept and can't be told: of other boots, whose numbers mean nothing in this one, and of batches
    /// that can't be read.
    let lostIntervals: UInt64

    /// Opens `telemetry` in the state folder, or makes it. A file that is damaged or another machine's is replaced.
    static func open(
        directory: String, identity: JournalIdentity, boot: BootID, logger: Logger
    ) async throws -> TelemetryStore {
        let path = "\(directory)/telemetry"
        do throws(JournalError) {
            let (journal, contents) = try Journal.open(path: path, identity: identity)
            if contents.identity == identity, contents.damage == nil {
                return TelemetryStore(journal, contents.lines, boot: boot)
            }
            await journal.close()
            if let damage = contents.damage {
                logger.warning("the telemetry on disk is damaged and starts anew", metadata: ["where": "\(damage)"])
                // Nobody is promised anything by it.
                if let aside = damage.setAside { try? FileManager.default.removeItem(atPath: aside) }
            } else {
                logger.notice("the telemetry on disk is another installation's; it is left behind")
            }
        } catch {
            if case .locked = error { throw error }
            logger.warning("the telemetry on disk can't be read and starts anew", metadata: ["reason": "\(error)"])
        }
        try FileManager.default.removeItem(atPath: path)
        let (journal, contents) = try Journal.open(path: path, identity: identity)
        return TelemetryStore(journal, contents.lines, boot: boot)
    }

    private init(_ journal: Journal, _ lines: [JournalLine], boot: BootID) {
        self.journal = journal
        self.boot = boot
        var found = State()
        var lost: UInt64 = 0
        for line in lines { Self.take(line.payload, boot: boot, into: &found, lost: &lost) }
        state = Mutex(found)
        lostIntervals = lost
    }

    /// Batches of this boot that were kept.
    var batches: [Aggregates] { state.withLock { $0.batches } }
    /// By VM.
    var workloads: [String: AssignedWorkload] { state.withLock { $0.workloads } }
    /// Why nothing is written any more, or nil.
    var problem: String? { failure.withLock { $0 } }

    func keep(_ record: BacklogRecord) {
        let work: Work = state.withLock { state in
            switch record {
            case .append(let batch):
                state.batches.append(batch)
                return append(encode(batch), &state)
            case .replace(let batches):
                state.batches = batches
                return .rotate(whole(&state))
            }
        }
        submit(work)
    }

    /// Nil forgets.
    func assign(_ workload: AssignedWorkload?, to vm: String) {
        let work: Work? = state.withLock { state in
            guard state.workloads[vm] != workload else { return nil }
            state.workloads[vm] = workload
            return append(Self.encode(vm, workload), &state)
        }
        if let work { submit(work) }
    }

    func close() async { await journal.close() }

    // MARK: Writing

    private enum Work {
        case append([UInt8])
        case rotate([UInt8])
    }

    private func append(_ record: [UInt8], _ state: inout State) -> Work {
        state.records += 1
        let live = state.batches.count + state.workloads.count
        return state.records > 4 * live + 1024 ? .rotate(whole(&state)) : .append(record)
    }

    private func submit(_ work: Work) {
        let done: @Sendable (Result<UInt64, JournalError>) -> Void = { [weak self] result in
            guard case .failure(let error) = result else { return }
            self?.failure.withLock { $0 = $0 ?? error.description }
        }
        switch work {
        case .append(let record): journal.submit([record], completion: done)
        case .rotate(let record): journal.submitRotation(record, completion: done)
        }
    }

    // MARK: Records

    private func encode(_ batch: Aggregates) -> [UInt8] {
        // The count stands outside the batch, so that one which can't be written or read is still counted.
        let head = [boot.uuid.high, boot.uuid.low, UInt64(batch.folded)].flatMap(Self.bytes)
        return [Kind.batch] + head + ((try? batch.encoded()) ?? [])
    }

    private static func encode(_ vm: String, _ workload: AssignedWorkload?) -> [UInt8] {
        let json = JSONValue.fields([
            "vm": .string(vm), "workload": workload?.wish.json,
            "began_ns": workload?.began.map { .integer($0.nanoseconds) },
        ])
        return [Kind.workload] + json.encoded()
    }

    private func whole(_ state: inout State) -> [UInt8] {
        state.records = 0
        var bytes = [Kind.whole]
        for (vm, workload) in state.workloads.sorted(by: { $0.key < $1.key }) {
            Self.add(Self.encode(vm, workload), to: &bytes)
        }
        for batch in state.batches { Self.add(encode(batch), to: &bytes) }
        return bytes
    }

    private static func add(_ part: [UInt8], to bytes: inout [UInt8]) { bytes += self.bytes(UInt64(part.count)) + part }

    private static func bytes(_ number: UInt64) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.prefix(8).reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    private static func take(_ record: [UInt8], boot: BootID, into state: inout State, lost: inout UInt64) {
        state.records += 1
        switch record.first {
        case Kind.batch:
            guard record.count >= 25 else {
                lost += 1
                return
            }
            let id = UUID128(high: number(record[1...]), low: number(record[9...]))
            // Nothing at all would be read as an empty batch: it is one that could not be written.
            if id == boot.uuid, record.count > 25, let batch = try? Aggregates(decoding: Array(record[25...])) {
                state.batches.append(batch)
            } else {
                lost += number(record[17...])
            }
        case Kind.workload:
            guard let json = try? JSONValue(parsing: record.dropFirst()), let vm = json["vm"]?.text else { return }
            state.workloads[vm] = json["workload"].flatMap { try? WorkloadWish(json: $0) }.map {
                AssignedWorkload(wish: $0, began: json["began_ns"]?.integer.map(Instant.init(nanoseconds:)))
            }
        case Kind.whole:
            state = State()
            lost = 0
            var rest = record.dropFirst()
            while rest.count >= 8 {
                let length = Int(clamping: number(rest))
                guard length <= rest.count - 8 else { return }
                let part = rest.dropFirst(8).prefix(length)
                if part.first != Kind.whole { take(Array(part), boot: boot, into: &state, lost: &lost) }
                rest = rest.dropFirst(8 + length)
            }
        default: return
        }
    }
}
