import AgentCore
import Dataplane
import FleetProtocol
import Journal
import Logging
import NetworkTypes

/// Owns the state machine and carries out its effects, in order, without deciding anything.
///
/// Journal and kernel work go to one ordered queue each; their outcomes come back as inputs. No effect is awaited here,
/// so a slow disk or kernel never delays the next input.
actor AgentShell: CoordinatorLinkOwner {
    private var machine: AgentMachine
    private let journal: Journal
    private let store: TelemetryStore
    private let kernel: WorkQueue<KernelWork>
    private let outcomes: WorkQueue<AgentInput>
    private let clock: BootClock
    private let logger: Logger
    private var outbound: OutboundStream?
    private var pending: [RequestID: CheckedContinuation<Result<AgentReply, AgentError>, Never>] = [:]
    private var lastRequest: UInt64 = 0
    private var stopped = false

    /// Deadlines closer together than this share a tick.
    static let tickMin = Duration.milliseconds(5)
    /// A deadline that an input creates is noticed at most this late.
    static let tickMax = Duration.milliseconds(100)

    init(
        machine: AgentMachine, journal: Journal, store: TelemetryStore, kernel: WorkQueue<KernelWork>,
        outcomes: WorkQueue<AgentInput>, clock: BootClock, logger: Logger
    ) {
        self.store = store
        self.machine = machine
        self.journal = journal
        self.kernel = kernel
        self.outcomes = outcomes
        self.clock = clock
        self.logger = logger
    }

    // MARK: Inputs

    /// Starts from the journal's records and the ports found in the kernel.
    func recover(_ entries: [JournalEntry], ports: [AdoptedPort], journalLost: Bool) {
        machine.restoreBacklog(store.batches, lost: store.lostIntervals)
        perform(machine.recover(entries, kernelPorts: ports, journalLost: journalLost, at: clock.now))
    }

    func feed(_ input: AgentInput) {
        perform(machine.handle(input, at: clock.now))
    }

    /// Feeds what journal and kernel report, in their order, until the queue is finished.
    func takeOutcomes() async {
        await outcomes.consume { inputs in
            for input in inputs { feed(input) }
        }
    }

    /// Lets the machine notice that time passes, until cancelled.
    func tick() async throws {
        while true {
            let now = clock.now
            let wait = machine.nextDeadline.map { max($0 - now, Self.tickMin) } ?? Self.tickMax
            try await Task.sleep(for: min(wait, Self.tickMax))
            feed(.tick)
        }
    }

    /// Hands a local call to the machine and waits for its reply.
    func call(_ make: @Sendable (RequestID) -> AgentInput) async -> Result<AgentReply, AgentError> {
        guard !stopped else { return .failure(.notGranted(reason: "the agent is stopping; try again")) }
        lastRequest += 1
        let request = RequestID(lastRequest)
        return await withCheckedContinuation { continuation in
            pending[request] = continuation
            feed(make(request))
        }
    }

    /// Answers whoever still waits; kernel state stays as it is.
    func stop() {
        stopped = true
        outcomes.finish()
        outbound?.close()
        for (_, continuation) in pending {
            continuation.resume(returning: .failure(.notGranted(reason: "the agent is stopping; try again")))
        }
        pending = [:]
    }

    /// Who is who, unless nothing has changed since.
    func telemetryView(unless revision: UInt64) -> TelemetryView? {
        guard machine.telemetryRevision != revision else { return nil }
        return TelemetryView(
            targets: machine.telemetryTargets, interfaces: machine.boundInterfaces, plan: machine.overlayPlan)
    }

    // MARK: CoordinatorLinkOwner

    func linkUp(_ outbound: OutboundStream) {
        logger.info("connected to the coordinator", metadata: ["stream": "\(outbound.number)"])
        self.outbound = outbound
        feed(.connected)
    }

    func linkReceived(_ message: CoordinatorMessage, at position: Position, stream: UInt64) {
        guard outbound?.number == stream else { return }
        feed(.message(position, message))
    }

    func linkDown(stream: UInt64, reason: String) {
        guard outbound?.number == stream else {
            logger.debug("no coordinator", metadata: ["reason": "\(reason)"])
            return
        }
        logger.warning("lost the coordinator; launches on leased blocks go on", metadata: ["reason": "\(reason)"])
        outbound = nil
        feed(.disconnected)
    }

    // MARK: Effects

    private static func outcome(_ result: Result<UInt64, JournalError>, success: AgentInput) -> AgentInput {
        switch result {
        case .success: success
        case .failure(let error): .journalFailed(reason: error.description)
        }
    }

    private func perform(_ effects: [AgentEffect]) {
        for effect in effects { perform(effect) }
    }

    private func perform(_ effect: AgentEffect) {
        switch effect {
        case .journal(let records, let first, let token):
            let outcomes = outcomes
            journal.submit(records.map { $0.encoded() }, firstSequence: first) { result in
                outcomes.put(Self.outcome(result, success: .journaled(token)))
            }
        case .checkpoint(let record, let sequence):
            let outcomes = outcomes
            journal.submitRotation(record.encoded(), sequence: sequence) { result in
                if case .failure = result { outcomes.put(Self.outcome(result, success: .tick)) }
            }
        case .dataplane(let changes, let token): kernel.put(.apply(changes, token))
        case .ensureOverlay(let grant, let deletes): kernel.put(.ensureOverlay(grant, deletes: deletes))
        case .createPort(let order, let token): kernel.put(.createPort(order, token))
        case .movePort(let move, let token): kernel.put(.movePort(move, token))
        case .deletePort(let removal, let token): kernel.put(.deletePort(removal, token))
        case .send(let message):
            // The stream closes itself when it is full; the link then connects again and the machine says hello.
            outbound?.send(message)
        case .reconnect(let reason):
            logger.notice("asking for a snapshot", metadata: ["reason": "\(reason)"])
            outbound?.close()
        case .reply(let request, let result):
            pending.removeValue(forKey: request)?.resume(returning: result)
        case .keep(let record): store.keep(record)
        case .echo(let endpoints, let round): kernel.put(.echo(endpoints, round: round))
        case .notice(let notice): notice.write(to: logger)
        }
    }
}

/// One piece of kernel work, in the order of the effects.
enum KernelWork: Sendable {
    case apply([DataplaneChange], Token)
    case ensureOverlay(BootGrant, deletes: DeletionScope)
    case createPort(PortOrder, Token)
    case movePort(PortMove, Token)
    case deletePort(PortRemoval, Token)
    /// Send echoes through the tunnel.
    case echo([IPAddress], round: UInt64)
    /// Compare with the kernel and repair; the reason goes to the log.
    case resync(reason: String)
}
