import Foundation
import NetworkTypes
import SNISpace
import SimulationKit

/// The book of the whole 24-bit space and the host's half: one thread, nothing else in the process.
enum SpaceBenchmark {
    /// Operations per second of the mix; the table in docs/benchmarks.md says what one operation is.
    private static let rateMin = 3_000_000.0
    private static let singleMaxMicroseconds = 20.0
    private static let bookMaxMegabytes = 160.0
    private static let snapshotMaxSeconds = 2.0
    private static let replayMin = 1_000_000.0

    @Sendable static func run() throws {
        // First, so that no memory of the mix is left to be used again.
        try million()
        try mix()
        try SpaceScaling.run()
    }

    // MARK: Mix

    private static func mix() throws {
        var fleet = try SpaceFleet(seed: 11)
        try fleet.fill(to: 1 << 23)
        let lives = 40_000
        for _ in 0..<lives / 4 { try fleet.liveOne() }
        let before = fleet.operations
        let clock = ContinuousClock()
        let elapsed = try clock.measure { for _ in 0..<lives { try fleet.liveOne() } }
        let operations = fleet.operations - before
        let rate = Double(operations) / seconds(elapsed)
        Results.note("space: mix on a half-full space", rate, "operations/s")
        Results.note("space: mix, mean", 1e9 / rate, "ns", bar: 1e9 / rateMin)
        fleet.timer = SpaceTimer()
        for _ in 0..<lives { try fleet.liveOne() }
        let singles = (fleet.timer?.singles ?? []).sorted()
        for (name, level) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)] {
            let value = Double(singles[Int(Double(singles.count) * level)]) / 1000
            Results.note(
                "space: one operation, \(name)", value, "us", bar: level == 0.999 ? singleMaxMicroseconds : nil)
        }
    }

    // MARK: A million blocks

    private static func million() throws {
        let empty = try residentBytes()
        var fleet = try SpaceFleet(seed: 12)
        var log = EventLog.header
        var sequence: UInt64 = 0
        fleet.onEvent = { event in
            sequence += 1
            // Of the first part only, so that the log is not what fills the memory.
            if sequence <= 300_000 { log += EventLog.record(event, sequence: sequence) }
        }
        try fleet.leaseEverything(blocks: 1_000_000)
        fleet.onEvent = nil
        let logBytes = log.count
        let used = Double(try residentBytes() - empty - logBytes) / 1e6
        Results.note("space: 1,000,000 leased blocks, resident", used, "MB", bar: bookMaxMegabytes)
        let clock = ContinuousClock()
        var bytes: [UInt8] = []
        let writing = clock.measure { bytes = fleet.book.snapshot.encoded() }
        Results.note("space: snapshot size", Double(bytes.count) / 1e6, "MB")
        Results.note("space: snapshot written", seconds(writing), "s", bar: snapshotMaxSeconds)
        var restored: Book?
        let reading = try clock.measure { restored = try Book(restoring: BookSnapshot(decoding: bytes)) }
        Results.note("space: snapshot restored", seconds(reading), "s", bar: snapshotMaxSeconds)
        precondition(restored?.leaseCount == fleet.book.leaseCount, "the restored book is another one")
        var replica = Book(plan: fleet.book.plan)
        var replayed: UInt64 = 0
        let replaying = try clock.measure {
            replayed = try EventLog.replay(log, after: 0) { replica.apply($0) }
        }
        Results.note("space: log replayed", Double(replayed) / seconds(replaying), "events/s")
        Results.note("space: log, per event", seconds(replaying) / Double(replayed) * 1e9, "ns", bar: 1e9 / replayMin)
    }

    private static func seconds(_ duration: Duration) -> Double { duration.inSeconds }

    /// Second field of `/proc/self/statm`, in pages (proc(5)).
    private static func residentBytes() throws -> Int {
        let fields = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")
        guard fields.count > 1, let pages = Int(fields[1]) else { throw CocoaError(.fileReadCorruptFile) }
        return pages * Int(getpagesize())
    }
}

/// Times single operations in nanoseconds.
struct SpaceTimer {
    private let clock = ContinuousClock()
    private(set) var singles: [Int64] = []

    mutating func measure<Value>(_ body: () throws -> Value) rethrows -> Value {
        let start = clock.now
        let value = try body()
        singles.append(start.duration(to: clock.now).inNanoseconds)
        return value
    }
}

/// A thousand applications on a thousand hosts, and what becomes of their blocks.
struct SpaceFleet {
    static let blockOrder = 4
    private let applications: [ApplicationID]
    private let names: [HostID]
    private var hosts: [HostBook]
    private var generator: SeededGenerator
    private var serial: UInt64 = 0
    private var uses: UInt64 = 0
    /// Reserved ranges; half of their blocks are leased and stay so.
    private var claims: [(id: ReservationID, application: ApplicationID)] = []
    var book: Book
    var operations = 0
    var timer: SpaceTimer?
    var onEvent: ((BookEvent) -> Void)?

    init(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        applications = (0..<1000).map { _ in ApplicationID(.random(using: &generator)) }
        names = (0..<1000).compactMap { HostID("host-\($0)") }
        hosts = Array(repeating: HostBook(), count: names.count)
        self.generator = generator
        book = Book(
            plan: try PoolPlan(
                chunkOrder: 12, pool: [SNIRange(unchecked: 0, count: 1 << 24)], excluded: [],
                key: ShuffleKey(high: 1, low: seed)))
    }

    /// Reserves until so many identifiers are left free, and leases half of it.
    mutating func fill(to free: Int) throws {
        while book.free > free {
            let claim = try grow(by: 64)
            claims.append(claim)
            for _ in 0..<2 { _ = try lease(for: claim.application, to: names[generator.integer(in: 0...999)]) }
        }
    }

    /// A thousand hosts with a thousand blocks each, in ranges as an application grows them.
    mutating func leaseEverything(blocks: Int) throws {
        while book.leaseCount < blocks {
            let claim = try grow(by: 256)
            while book.hasIdle(claim.application, order: Self.blockOrder), book.leaseCount < blocks {
                _ = try lease(for: claim.application, to: names[generator.integer(in: 0...999)])
            }
        }
    }

    /// One range of four blocks from growth to release: each block is leased, staged, every identifier bound and
    /// unbound once, and given back through the handshake.
    mutating func liveOne() throws {
        let claim = try grow(by: 64)
        for _ in 0..<4 {
            let host = generator.integer(in: 0...999)
            let block = try lease(for: claim.application, to: names[host])
            try run { (book) throws(BookError) in try book.stage(block) }
            useAll(of: block, application: claim.application, host: host)
            try run { (book) throws(BookError) in try book.mark(block, reason: "idle", force: false) }
            let epoch = book.epoch
            try run { (book) throws(BookError) in try book.drain(block, epoch: epoch) }
            try run { (book) throws(BookError) in try book.remove(block) }
            try run { (book) throws(BookError) in try book.free(block) }
        }
        // What the handshake left of it; nothing, when the last block took the claim along.
        if book.reservation(claim.id) != nil {
            try run { (book) throws(BookError) in try book.end(claim.id, reason: "release") }
        }
    }

    private mutating func useAll(of block: SNIBlock, application: ApplicationID, host: Int) {
        hosts[host].put(block, of: application, rank: .staged) { _ in 0 }
        var bound: [SessionNetworkID] = []
        bound.reserveCapacity(block.size)
        for _ in 0..<block.size {
            if let sni = operate({ $0.hosts[host].take(for: application) }) { bound.append(sni) }
        }
        for sni in bound {
            uses += 1
            let lastUse = uses
            operate { $0.hosts[host].offer(sni, lastUse: lastUse) }
        }
        hosts[host].remove(block)
    }

    private mutating func grow(by count: Int) throws -> (id: ReservationID, application: ApplicationID) {
        serial += 1
        let id = ReservationID(UUID128(high: serial, low: generator.next()))
        let application = applications[generator.integer(in: 0...999)]
        try run { (book) throws(BookError) in
            try book.reserve(
                id: id, application: application, count: count, blockOrder: Self.blockOrder, predicted: false,
                lifetime: .seconds(60), reason: "demand")
        }
        return (id, application)
    }

    private mutating func lease(for application: ApplicationID, to host: HostID) throws -> SNIBlock {
        let events = try run { (book) throws(BookError) in
            try book.lease(
                application: application, host: host, order: Self.blockOrder, predicted: false, fromReserved: true)
        }
        guard case .leased(let lease)? = events.last else { throw PropertyViolation("nothing was leased") }
        return lease.block
    }

    /// A command and the events that it leads to: one operation.
    @discardableResult
    private mutating func run(_ command: (Book) throws(BookError) -> [BookEvent]) throws -> [BookEvent] {
        let events = try operate { fleet in
            let events = try command(fleet.book)
            for event in events { fleet.book.apply(event) }
            return events
        }
        if let onEvent { for event in events { onEvent(event) } }
        return events
    }

    @discardableResult
    private mutating func operate<Value>(_ body: (inout SpaceFleet) throws -> Value) rethrows -> Value {
        operations += 1
        guard var timer else { return try body(&self) }
        self.timer = nil
        defer { self.timer = timer }
        return try timer.measure { try body(&self) }
    }
}
