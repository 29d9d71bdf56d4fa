import Dispatch
import Glibc
import NetworkTypes
import Synchronization

/// The agent's append-only file with group commit: everything that was submitted while one sync ran shares the next.
///
/// Submissions are carried out in the order in which ``submit(_:firstSequence:completion:)`` and
/// ``submitRotation(_:sequence:completion:)`` were called; completions run in that order on the journal's own queue.
/// The first failed write or sync is final: what the disk has is then unknown, and only opening again finds out.
public final class Journal: Sendable {
    /// Largest payload of one record, bytes.
    public static let payloadMax = 64 << 20

    /// What was found at opening.
    public struct Contents: Sendable {
        /// Of the file; compare it with the host's own.
        public var identity: JournalIdentity
        public var lines: [JournalLine]
        /// False: the file was made now.
        public var existed: Bool
        /// Bytes of a torn write that were cut from the end.
        public var truncatedBytes: Int
        /// Records behind ``lines`` are lost. With a damaged header nothing is known: no lines, and the identity is the one
        /// that was handed in. Nothing is appended before ``Journal/submitRotation(_:sequence:completion:)`` has replaced
        /// the file.
        public var damage: JournalDamage?
    }

    private enum Work: Sendable {
        case append([[UInt8]], first: UInt64?)
        case rotate([UInt8], sequence: UInt64?)
        case close
    }
    private struct Item: Sendable {
        var work: Work
        var completion: @Sendable (Result<UInt64, JournalError>) -> Void
    }
    private struct Waiting: Sendable {
        var items: [Item] = []
        var scheduled = false
        var next: UInt64
    }
    /// What only the writer's queue touches.
    private struct Writer: Sendable {
        var file: JournalFile
        var end: Int
        var next: UInt64
        /// The file is as it was found, and may not be written.
        var damage: JournalDamage?
        var failure: JournalError?
        var closed = false
        var syncs: UInt64 = 0
    }

    public let path: String
    private let identity: JournalIdentity
    private let queue = DispatchQueue(label: "outrider.journal")
    private let waiting: Mutex<Waiting>
    private let writer: Mutex<Writer>
    private let lockFile: JournalFile

    private init(
        path: String, identity: JournalIdentity, lock: JournalFile, file: JournalFile, end: Int, next: UInt64,
        damage: JournalDamage? = nil
    ) {
        self.path = path
        self.identity = identity
        lockFile = lock
        waiting = Mutex(Waiting(next: next))
        writer = Mutex(Writer(file: file, end: end, next: next, damage: damage))
    }

    /// Opens or makes the journal at `path` (its folder must exist) and holds it exclusively until closed. `identity` is
    /// used only when it is made; compare ``Contents/identity`` with your own before trusting what it says.
    ///
    /// - Parameter keptPower: whether the machine has not lost its power since these records were written. Then a last
    ///   write whose bytes are all there and do not fit was not torn.
    public static func open(
        path: String, identity: JournalIdentity, keptPower: ([JournalLine]) -> Bool = { _ in false }
    ) throws(JournalError) -> (journal: Journal, contents: Contents) {
        // The lock lives on a file of its own, since rotation replaces the journal's.
        let lock = try JournalFile.open(path + ".lock", flags: O_RDWR | O_CREAT)
        do throws(JournalError) {
            try lock.lock()
            let file = try JournalFile.open(path, flags: O_RDWR | O_CREAT)
            do throws(JournalError) {
                return try open(file, identity: identity, lock: lock, keptPower)
            } catch {
                file.close()
                throw error
            }
        } catch {
            lock.close()
            throw error
        }
    }

    private static func open(
        _ file: JournalFile, identity: JournalIdentity, lock: JournalFile, _ keptPower: ([JournalLine]) -> Bool
    ) throws(JournalError) -> (journal: Journal, contents: Contents) {
        let path = file.path
        let bytes = try file.readAll()
        let header = JournalFormat.header(identity)
        // A first start that died before its header was whole leaves a beginning of it and nothing else.
        if bytes.count < header.count, bytes.elementsEqual(header.prefix(bytes.count)) {
            try file.write(header, at: 0)
            try file.sync()
            try JournalFile.syncDirectory(of: path)
            let journal = Journal(path: path, identity: identity, lock: lock, file: file, end: header.count, next: 1)
            let contents = Contents(identity: identity, lines: [], existed: false, truncatedBytes: bytes.count)
            return (journal, contents)
        }
        var (contents, end) = try read(bytes, path: path, unknown: identity, keptPower)
        let next = (contents.lines.last?.sequence ?? 0) + 1
        if contents.damage != nil {
            contents.damage?.setAside = try file.setAside()
        } else if end < bytes.count {
            try file.truncate(to: end)
            try file.sync()
        }
        let journal = Journal(
            path: path, identity: contents.identity, lock: lock, file: file, end: end, next: next,
            damage: contents.damage)
        return (journal, contents)
    }

    private static func read(
        _ bytes: [UInt8], path: String, unknown: JournalIdentity, _ keptPower: ([JournalLine]) -> Bool
    ) throws(JournalError) -> (Contents, end: Int) {
        guard let (identity, start) = try JournalFormat.identity(in: bytes, path: path) else {
            let damage = JournalDamage(offset: 0, reason: "its header is not whole", lostBytes: bytes.count)
            let contents = Contents(identity: unknown, lines: [], existed: true, truncatedBytes: 0, damage: damage)
            return (contents, 0)
        }
        let found = JournalFormat.records(in: bytes, from: start, ordered: keptPower)
        let rest = bytes.count - found.end
        var contents = Contents(identity: identity, lines: found.lines, existed: true, truncatedBytes: rest)
        if case .damaged(let reason) = found.ending {
            contents.truncatedBytes = 0
            contents.damage = JournalDamage(offset: found.end, reason: reason, lostBytes: rest)
        }
        return (contents, found.end)
    }

    /// What the journal at `path` says now, without holding or changing it, also while an agent writes it; nil when there
    /// is none.
    public static func read(path: String) throws(JournalError) -> Contents? {
        let file: JournalFile
        do throws(JournalError) {
            file = try JournalFile.open(path, flags: O_RDONLY)
        } catch {
            guard case .system(_, _, ENOENT) = error else { throw error }
            return nil
        }
        defer { file.close() }
        let bytes = try file.readAll()
        guard !bytes.isEmpty else { return nil }
        let unknown = JournalIdentity(incarnation: Incarnation(UUID128(high: 0, low: 0)), fingerprint: "")
        // Whoever writes it beside us may be in the middle of a write.
        return try read(bytes, path: path, unknown: unknown) { _ in false }.0
    }

    /// Sequence that the next submitted record gets.
    public var nextSequence: UInt64 { waiting.withLock { $0.next } }

    /// Syncs done since opening: fewer than appends when launches come together.
    public var syncCount: UInt64 { writer.withLock { $0.syncs } }

    /// Appends records in one write. Never blocks; `completion` gets the sequence of the last one once it is durable.
    /// With `firstSequence`, a caller that counts differently gets `wrongSequence` and nothing is written.
    public func submit(
        _ payloads: [[UInt8]], firstSequence: UInt64? = nil,
        completion: @escaping @Sendable (Result<UInt64, JournalError>) -> Void
    ) {
        put(.append(payloads, first: firstSequence), records: payloads.count, completion)
    }

    /// Replaces everything before by this one record: new file, sync, rename, sync of the folder.
    public func submitRotation(
        _ snapshot: [UInt8], sequence: UInt64? = nil,
        completion: @escaping @Sendable (Result<UInt64, JournalError>) -> Void
    ) {
        put(.rotate(snapshot, sequence: sequence), records: 1, completion)
    }

    /// ``submit(_:firstSequence:completion:)`` for a caller that waits. Concurrent callers share syncs; their order is
    /// the order of the calls.
    public func append(_ payloads: [[UInt8]], firstSequence: UInt64? = nil) async throws(JournalError) -> UInt64 {
        let result = await withCheckedContinuation { continuation in
            submit(payloads, firstSequence: firstSequence) { continuation.resume(returning: $0) }
        }
        return try result.get()
    }

    /// ``submitRotation(_:sequence:completion:)`` for a caller that waits.
    public func rotate(snapshot: [UInt8], sequence: UInt64? = nil) async throws(JournalError) -> UInt64 {
        let result = await withCheckedContinuation { continuation in
            submitRotation(snapshot, sequence: sequence) { continuation.resume(returning: $0) }
        }
        return try result.get()
    }

    /// Carries out what was submitted, then closes the file and gives up the lock.
    public func close() async {
        await withCheckedContinuation { continuation in
            put(.close, records: 0) { _ in continuation.resume() }
        }
    }

    private func put(
        _ work: Work, records: Int, _ completion: @escaping @Sendable (Result<UInt64, JournalError>) -> Void
    ) {
        let schedule = waiting.withLock { waiting in
            waiting.items.append(Item(work: work, completion: completion))
            waiting.next += UInt64(records)
            defer { waiting.scheduled = true }
            return !waiting.scheduled
        }
        if schedule { queue.async { self.drain() } }
    }

    private func drain() {
        while true {
            let items = waiting.withLock { waiting in
                defer { waiting.items = [] }
                if waiting.items.isEmpty { waiting.scheduled = false }
                return waiting.items
            }
            guard !items.isEmpty else { return }
            // Completions run outside of the lock: they may submit again.
            let results = writer.withLock { writer in carryOut(items.map(\.work), with: &writer) }
            for (item, result) in zip(items, results) { item.completion(result) }
        }
    }

    /// Appends next to each other become one write and one sync.
    private func carryOut(_ works: [Work], with writer: inout Writer) -> [Result<UInt64, JournalError>] {
        var results: [Result<UInt64, JournalError>] = []
        var index = 0
        while index < works.count {
            switch works[index] {
            case .append:
                var group: [([[UInt8]], UInt64?)] = []
                while index < works.count, case .append(let payloads, let first) = works[index] {
                    group.append((payloads, first))
                    index += 1
                }
                results += appendGroup(group, with: &writer)
            case .rotate(let snapshot, let sequence):
                results.append(rotate(snapshot, sequence: sequence, with: &writer))
                index += 1
            case .close:
                if !writer.closed {
                    writer.closed = true
                    writer.file.close()
                    lockFile.close()
                }
                results.append(.success(writer.next - 1))
                index += 1
            }
        }
        return results
    }

    private func refusal(_ writer: Writer) -> JournalError? {
        if writer.closed { return .closed }
        return writer.failure.map { .failed(reason: "\($0)") }
    }

    private func appendGroup(
        _ group: [([[UInt8]], UInt64?)], with writer: inout Writer
    ) -> [Result<UInt64, JournalError>] {
        if let refusal = refusal(writer) ?? writer.damage.map({ .damaged($0) }) {
            return group.map { _ in .failure(refusal) }
        }
        var bytes: [UInt8] = []
        var results: [Result<UInt64, JournalError>] = []
        let writeFirst = writer.next
        var next = writer.next
        var problem: JournalError?
        for (payloads, first) in group {
            if problem == nil, let first, first != next { problem = .wrongSequence(expected: first, next: next) }
            if problem == nil, let large = payloads.first(where: { $0.count > Self.payloadMax }) {
                problem = .tooLarge(bytes: large.count, limit: Self.payloadMax)
            }
            if let problem {
                // Sequences were promised when this was submitted; what comes behind it can't be right either.
                results.append(.failure(problem))
                continue
            }
            for payload in payloads {
                bytes += JournalFormat.record(payload, sequence: next, writeFirst: writeFirst)
                next += 1
            }
            results.append(.success(next - 1))
        }
        if let problem { writer.failure = problem }
        guard !bytes.isEmpty else { return results }
        do {
            try writer.file.write(bytes, at: writer.end)
            try writer.file.sync()
            writer.syncs += 1
            writer.end += bytes.count
            writer.next = next
            return results
        } catch {
            writer.failure = error
            // Leaves no half of it behind when the disk allows that much; opening again cuts it otherwise.
            try? writer.file.truncate(to: writer.end)
            return results.map { result in
                if case .failure = result { result } else { .failure(error) }
            }
        }
    }

    private func rotate(
        _ snapshot: [UInt8], sequence: UInt64?, with writer: inout Writer
    ) -> Result<UInt64, JournalError> {
        if let refusal = refusal(writer) { return .failure(refusal) }
        let next = writer.next
        if let sequence, sequence != next {
            writer.failure = .wrongSequence(expected: sequence, next: next)
            return .failure(.wrongSequence(expected: sequence, next: next))
        }
        do {
            guard snapshot.count <= Self.payloadMax else {
                throw JournalError.tooLarge(bytes: snapshot.count, limit: Self.payloadMax)
            }
            let bytes =
                JournalFormat.header(identity) + JournalFormat.record(snapshot, sequence: next, writeFirst: next)
            let fresh = path + ".new"
            let file = try JournalFile.open(fresh, flags: O_RDWR | O_CREAT | O_TRUNC)
            do {
                try file.write(bytes, at: 0)
                try file.sync()
                try JournalFile.rename(fresh, to: path)
                try JournalFile.syncDirectory(of: path)
            } catch {
                file.close()
                throw error
            }
            writer.file.close()
            writer.file = JournalFile(descriptor: file.descriptor, path: path)
            writer.end = bytes.count
            writer.damage = nil
            writer.next = next + 1
            writer.syncs += 1
            return .success(next)
        } catch {
            let known = (error as? JournalError) ?? .failed(reason: "\(error)")
            writer.failure = known
            return .failure(known)
        }
    }
}
