import ControlAPI
import FleetMapping
import ControlAPIMapping
import CoordinatorCore
import FleetProtocol
import Forecasting
import GRPCCore
import Logging
import NetworkTypes
import ServiceLifecycle
import Store

/// Owns the machine: feeds it commands, messages and time, and performs its effects in their order.
///
/// Everything that the machine decides goes through one queue. One writer takes all that is queued, makes its events
/// durable with one synchronisation of the disk (so callers that wait together pay together), and then performs the
/// other effects. The machine may thus be ahead of the disk, but nobody outside ever is: replies, messages to agents
/// and reads leave only behind the writer.
///
/// A store that cannot be written ends the process: the machine then says more than the store knows, and only a
/// restart from the store brings the two together.
actor CoordinatorShell {
    /// Events between two snapshots.
    static let snapshotEvery = 5_000
    /// Shortest time between two ticks.
    static let tickMin = Duration.milliseconds(50)

    nonisolated let streams = AgentStreams()
    nonisolated let samples = SampleWatch()
    /// Where a profiler in another process may ask for the last intervals.
    nonisolated let ring: SampleRing?
    private let store: any Store
    private let clock: CoordinatorClock
    private let tickInterval: Duration
    private let logger: Logger

    private var machine: CoordinatorMachine
    private var lastRequest: UInt64 = 0
    private var waiting: [RequestID: CheckedContinuation<Reply, any Error>] = [:]
    private var queue: [WorkItem] = []
    private var failure: StoreError?
    private var eventsSinceSnapshot: Int
    private let wakeUps: AsyncStream<Void>
    private let wakeUp: AsyncStream<Void>.Continuation

    init(
        recovered: RecoveredMachine, store: any Store, clock: CoordinatorClock, tickInterval: Duration,
        keepsSamples: Bool = false, logger: Logger
    ) {
        machine = recovered.machine
        ring = keepsSamples ? SampleRing() : nil
        let first = WorkItem(effects: recovered.effects)
        eventsSinceSnapshot = recovered.eventsSinceSnapshot + first.events.count
        self.store = store
        self.clock = clock
        self.tickInterval = max(Self.tickMin, tickInterval)
        self.logger = logger
        (wakeUps, wakeUp) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        queue = [first]
    }

    /// Inputs whose effects wait for the writer.
    var queueLength: Int { queue.count }
    /// True when nothing waits for the writer and every command has its reply.
    var isIdle: Bool { queue.isEmpty && waiting.isEmpty }

    // MARK: What callers do

    /// Performs a command; returns when its outcome is durable.
    func execute(_ command: Command) async throws -> Reply {
        try refuseWhenFailed()
        lastRequest += 1
        let request = RequestID(lastRequest)
        return try await withCheckedThrowingContinuation { continuation in
            waiting[request] = continuation
            handle(.command(request, command))
        }
    }

    /// Reads from the machine; returns when everything that it shows is durable.
    func read<Value: Sendable>(
        _ query: @Sendable (CoordinatorMachine, Instant) throws(CoordinatorError) -> Value
    ) async throws -> Value {
        try refuseWhenFailed()
        let value: Value
        do { value = try query(machine, clock.now) } catch { throw RPCError(error) }
        try await withCheckedThrowingContinuation { continuation in
            enqueue(WorkItem(reader: continuation))
        }
        return value
    }

    func connected(_ stream: StreamID) { handle(.connected(stream)) }
    func received(_ stream: StreamID, _ identity: AgentIdentity, _ message: AgentMessage) {
        handle(.message(stream, identity, message))
    }
    func received(_ forecasts: [ApplicationID: ToldProfile]) { handle(.forecasts(forecasts)) }
    func disconnected(_ stream: StreamID) {
        streams.forget(stream)
        handle(.disconnected(stream))
    }

    private func refuseWhenFailed() throws {
        guard let failure else { return }
        throw RPCError(code: .unavailable, message: "the coordinator is stopping: \(failure)")
    }

    private func handle(_ input: CoordinatorInput) {
        guard failure == nil else { return }
        let effects = machine.handle(input, at: clock.now)
        guard !effects.isEmpty else { return }
        var item = WorkItem(effects: effects)
        eventsSinceSnapshot += item.events.count
        if eventsSinceSnapshot >= Self.snapshotEvery { item.image = takeImage() }
        enqueue(item)
    }

    private func takeImage() -> [UInt8]? {
        eventsSinceSnapshot = 0
        do {
            return try MachineImage.encode(machine.snapshot())
        } catch {
            logger.error("snapshot cannot be encoded, the log grows: \(error)")
            return nil
        }
    }

    private func enqueue(_ item: WorkItem) {
        queue.append(item)
        wakeUp.yield()
    }

    // MARK: What runs

    /// Ticks until a graceful shutdown begins.
    func tick() async throws {
        while true {
            let now = clock.now
            let due = machine.nextDeadline ?? now + tickInterval
            try await clock.sleep(until: min(max(due, now + Self.tickMin), now + tickInterval))
            handle(.tick)
        }
    }

    /// Performs effects until ``finish()``, or until the store fails.
    func write() async throws {
        for await _ in wakeUps { try await drain() }
        try await drain()
    }

    private func drain() async throws {
        while !queue.isEmpty {
            let batch = queue
            queue = []
            do throws(StoreError) {
                try await persist(batch)
            } catch {
                fail(error, batch)
                throw error
            }
            for item in batch { perform(item) }
        }
    }

    private func persist(_ batch: [WorkItem]) async throws(StoreError) {
        // An image stands between the events before and after it, so a batch is cut at its images.
        var events: [CoordinatorEvent] = []
        for item in batch {
            events += item.events
            guard let image = item.image else { continue }
            let sequence = try await store.append(events)
            events = []
            try await store.save(StoredSnapshot(sequence: sequence, image: image))
        }
        if !events.isEmpty { _ = try await store.append(events) }
    }

    private func perform(_ item: WorkItem) {
        item.reader?.resume()
        for effect in item.effects { perform(effect) }
        var isNews = false
        for event in item.events {
            switch event {
            case .sampled(let slot, let parts):
                ring?.keep(parts, of: slot)
                isNews = true
            case .applicationCreated, .applicationUpdated, .applicationDeleted: isNews = true
            default: break
            }
        }
        if isNews { samples.tell() }
    }

    private func perform(_ effect: CoordinatorEffect) {
        switch effect {
        case .persist: preconditionFailure("events are taken out of the effects of an item")
        case .send(let stream, let position, let message):
            _ = streams.send(Outrider_V1_CoordinatorMessage(message, at: position), to: stream)
        case .close(let stream, let reason):
            streams.close(stream, RPCError(code: .failedPrecondition, message: reason))
        case .reply(let request, let result):
            guard let caller = waiting.removeValue(forKey: request) else { return }
            switch result {
            case .success(let reply): caller.resume(returning: reply)
            case .failure(let error): caller.resume(throwing: RPCError(error))
            }
        case .notice(let notice): write(notice)
        }
    }

    private func write(_ notice: Notice) {
        let level: Logger.Level =
            switch notice.level {
            case .info: .info
            case .warning: .warning
            case .error: .error
            }
        logger.log(level: level, "\(notice.message)", metadata: ["code": "\(notice.code)"])
    }

    private func fail(_ error: StoreError, _ batch: [WorkItem]) {
        failure = error
        let unavailable = RPCError(code: .unavailable, message: "the coordinator is stopping: \(error)")
        for item in batch + queue { item.reader?.resume(throwing: unavailable) }
        queue = []
        for caller in waiting.values { caller.resume(throwing: unavailable) }
        waiting = [:]
        streams.closeAll("the coordinator is stopping: \(error)")
        samples.finish()
    }

    /// Lets the writer end when the queue is empty.
    func finish() { wakeUp.finish() }

    /// The last snapshot: the next start has nothing to replay. Called after the writer ended.
    func keepFinalImage() async throws(StoreError) {
        guard failure == nil, eventsSinceSnapshot > 0, let image = takeImage() else { return }
        try await store.save(StoredSnapshot(sequence: try await store.append([]), image: image))
    }
}
