import AgentCore
import FleetProtocol
import NetworkTypes

/// What a launch costs in the agent's machine on a host that is full of VMs of one application: the decision alone (the
/// attach becomes an identifier and a record), and a whole life with every input that it brings.
enum DecisionBenchmark {
    private static let lives = 2000

    @Sendable static func run() throws {
        for vms in [16, 256, 4096] {
            var host = LaunchHost(vms: vms)
            for _ in 0..<lives / 10 { host.liveOne() }
            host.timer = SpaceTimer()
            let clock = ContinuousClock()
            let elapsed = clock.measure { for _ in 0..<lives { host.liveOne() } }
            let singles = (host.timer?.singles ?? []).sorted()
            precondition(singles.count == lives, "\(singles.count) decisions were timed, not \(lives)")
            let mean = Double(singles.reduce(0, +)) / Double(lives) / 1000
            Results.note("decision: launch, \(vms) VMs, mean", mean, "us")
            Results.note("decision: launch, \(vms) VMs, p99", Double(singles[lives * 99 / 100]) / 1000, "us")
            Results.note("decision: whole life, \(vms) VMs, mean", elapsed.inSeconds / Double(lives) * 1e6, "us")
        }
    }
}

/// A machine whose disk and kernel are done at once.
struct LaunchHost {
    private static let application = ApplicationID(UUID128(high: 1, low: 1))
    /// A life takes this much time: a hundred identifiers rest at any time.
    private static let step = Duration.milliseconds(10)
    private static let cooldown = Duration.seconds(1)

    private var machine: AgentMachine
    private var now = Instant(nanoseconds: 1_000_000_000_000)
    private var serial: UInt64 = 0
    private var queue: [AgentEffect] = []
    private var attached = 0
    var timer: SpaceTimer?

    /// Every identifier of the first blocks is bound; eight more blocks are for the lives.
    init(vms: Int) {
        guard let name = HostID("host-1") else { preconditionFailure("the host's name is not valid") }
        let identity = AgentIdentity(
            host: name, incarnation: Incarnation(UUID128(high: 2, low: 1)), boot: BootID(UUID128(high: 3, low: 1)))
        machine = AgentMachine(
            configuration: AgentCoreConfiguration(
                fingerprint: "", vtep: .v4(IPv4Address(0x0A00_0001)), underlayMTU: 1500, version: "bench"),
            identity: identity, randomSeed: 1)
        queue = machine.recover([], kernelPorts: [], journalLost: false, at: now)
        settle()
        feed(.connected)
        let position = Position(generation: 1, term: 1, revision: 1)
        let grant = BootGrant(
            identity: identity, bindUntil: .seconds(86_400), overlay: .standard, overlayMTU: 1450, vxlanPort: 4789,
            cooldown: Self.cooldown, aggregateInterval: .seconds(3600))
        feed(.message(position, .bootGrant(grant)))
        let orders = (0..<vms / 16 + 8).map { Self.lease(of: 0x1000 + UInt32($0) * 16) }
        feed(.message(position, .stateUpdate(StateUpdate(isSnapshot: true, baseRevision: 0, operations: orders))))
        for _ in 0..<vms { launch() }
    }

    private static func lease(of first: UInt32) -> StateOperation {
        guard let block = SNIBlock(first: SessionNetworkID(unchecked: first), size: 16) else {
            preconditionFailure("no block begins at \(first)")
        }
        return .setLease(LeaseOrder(block: block, application: application, epoch: Epoch(1), staged: true))
    }

    /// One more VM comes and goes.
    mutating func liveOne() {
        let interface = launch()
        feed(.detach(request(), interface))
        now = now + Self.step
        while let deadline = machine.nextDeadline, deadline <= now { feed(.tick) }
    }

    @discardableResult
    private mutating func launch() -> VMInterface {
        attached += 1
        guard let interface = VMInterface(vm: "vm\(attached)", nic: 0) else { preconditionFailure("no such interface") }
        let wish = AttachRequest(
            application: Self.application, interface: interface, port: .tap(owner: nil, group: nil))
        let input = AgentInput.attach(request(), wish)
        // Taken apart, so that the decision is timed and nothing else.
        if var timer {
            self.timer = nil
            queue = timer.measure { machine.handle(input, at: now) }
            self.timer = timer
            settle()
        } else {
            feed(input)
        }
        return interface
    }

    private mutating func request() -> RequestID {
        serial += 1
        return RequestID(serial)
    }

    private mutating func feed(_ input: AgentInput) {
        queue = machine.handle(input, at: now)
        settle()
    }

    private mutating func settle() {
        var next = 0
        while next < queue.count {
            switch queue[next] {
            case .journal(_, _, let token): queue += machine.handle(.journaled(token), at: now)
            case .dataplane(_, let token): queue += machine.handle(.dataplaneApplied(token, .success(())), at: now)
            case .createPort(_, let token), .movePort(_, let token):
                queue += machine.handle(.portCreated(token, .success(PortFacts(index: next + 1))), at: now)
            case .deletePort(_, let token): queue += machine.handle(.portDeleted(token, .success(())), at: now)
            case .send(.bindingReport(let report)):
                let heard = CoordinatorMessage.reportAck(
                    journalSequence: report.journalSequence, aggregateSequence: 0)
                queue += machine.handle(
                    .message(Position(generation: 1, term: 1, revision: 1), heard), at: now)
            case .reply(let request, .failure(let error)): preconditionFailure("\(request): \(error)")
            case .checkpoint, .ensureOverlay, .send, .echo, .reconnect, .reply, .notice, .keep: break
            }
            next += 1
        }
        queue = []
    }
}
