import FleetProtocol
import NetworkTypes
import SNISpace
import SimulationKit

@testable import CoordinatorCore

/// More demand than the pool holds: VMs of many applications that come, stay and go on a few hosts, for hours.
final class ShortageWorld {
    struct Tenant {
        var id: ApplicationID
        var priority: PriorityClass
        var floor: Int
        /// VMs that it wants to run.
        var wanted: Int
        var level: Int
        /// When a job of it began.
        var wantsSince = Instant(nanoseconds: 0)
        /// When each ends, and where it runs.
        var vms: [SessionNetworkID: (host: HostID, end: Instant)] = [:]
        var launches = 0
        var lastLaunch: Instant
        /// The first of the launches that failed since identifiers were given to it.
        var shortSince: Instant?
        /// What its last refused launches need, in whole blocks.
        var asked = 0
        /// What equals were given meanwhile, in grants.
        var overtaken: [ApplicationID: Int] = [:]
        var missing: Int { max(0, wanted - vms.count) }
    }

    static let step = Duration.seconds(20)
    let fleet: Fleet
    var tenants: [Tenant] = []
    var generator: SeededGenerator
    let meanLife: Double
    private var request: UInt64 = 0
    private var seen = 0
    private(set) var preemptedMarks = 0
    private(set) var grants = 0

    init(pool: Int, hosts: Int, chunk: Int = 256, meanLife: Double, generator: SeededGenerator) throws {
        var configuration = CoordinatorConfiguration(
            pool: [SNIRange(unchecked: 4096, count: pool)], chunkSize: chunk, leadTime: .seconds(10),
            horizons: [.seconds(300), .seconds(900)], quarantine: .seconds(60),
            unreachableAfter: .seconds(120), dayLength: .seconds(3600), profiler: .elsewhere)
        configuration.reservationLifetime = .seconds(7200)
        fleet = try Fleet(configuration, hosts: hosts)
        self.generator = generator
        self.meanLife = meanLife
        fleet.start()
    }

    var book: Book { fleet.machine.state.book }

    func add(_ name: String, _ priority: PriorityClass, floor: Int = 0, level: Int) throws {
        let id = try fleet.application(name, ApplicationPolicy(priority: priority, floor: floor))
        tenants.append(
            Tenant(id: id, priority: priority, floor: floor, wanted: level, level: level, lastLaunch: fleet.now))
    }

    // MARK: Time

    func run(_ steps: Int, each: () throws -> Void = {}) throws {
        for _ in 0..<steps {
            try stopVMs()
            for index in tenants.indices.shuffled(using: &generator) { try launch(index) }
            answerMarks()
            fleet.quiesce()
            fleet.pass(Self.step)
            for host in fleet.names { fleet.say(.hostReport(HostReport()), from: host) }
            try hearGrants()
            try each()
        }
    }

    private func stopVMs() throws {
        for index in tenants.indices {
            for (sni, vm) in tenants[index].vms.filter({ $0.value.end <= fleet.now }).sorted(by: { $0.key < $1.key }) {
                try stop(sni, on: vm.host, of: index)
            }
        }
    }

    func stop(_ sni: SessionNetworkID, on host: HostID, of index: Int) throws {
        tenants[index].vms[sni] = nil
        try fleet.bind(sni, of: tenants[index].id, on: host, state: .ended)
        try hearGrants()
    }

    /// Waiting launches of one host ask once, like an agent's.
    private func launch(_ index: Int) throws {
        guard tenants[index].missing > 0, let host = generator.pick(from: fleet.names) else { return }
        var left = min(tenants[index].missing, 1 + generator.poisson(mean: Double(tenants[index].level) / 30))
        left -= try bind(left, of: index, on: host)
        guard left > 0 else { return tenants[index].shortSince = nil }
        request += 1
        fleet.say(
            .leaseRequest(LeaseRequest(request: request, application: tenants[index].id, waiting: left)), from: host)
        try hearGrants()
        fleet.acknowledge(host)
        left -= try bind(left, of: index, on: host)
        if left == 0 { return tenants[index].shortSince = nil }
        // Something was given: it waits anew.
        guard case .refused = fleet.agents[host]?.answers[request] else { return tenants[index].shortSince = nil }
        if tenants[index].shortSince == nil { tenants[index].shortSince = fleet.now }
        tenants[index].asked = (left + 15) / 16 * 16
        let owned = book.owned(by: tenants[index].id)
        try hold(owned >= tenants[index].floor, "a launch was refused at \(owned) below the floor \(tenants[index])")
    }

    private func bind(_ count: Int, of index: Int, on host: HostID) throws -> Int {
        let id = tenants[index].id
        guard let agent = fleet.agents[host] else { return 0 }
        let leases = agent.leases.values.filter { $0.application == id }
            .sorted { ($0.marked ? 1 : 0, $0.block) < ($1.marked ? 1 : 0, $1.block) }
        let room = leases.lazy.flatMap { $0.block.identifiers }.filter { agent.bindings[$0] == nil }
        for sni in room.prefix(count) {
            try fleet.bind(sni, of: id, on: host, state: .bound)
            let life = generator.exponential(mean: meanLife)
            tenants[index].vms[sni] = (host, fleet.now + .seconds(life))
            tenants[index].launches += 1
            tenants[index].lastLaunch = fleet.now
        }
        return min(count, room.count)
    }

    /// As a real agent: what is used is kept.
    /// Its work is done: what runs ends within two minutes, and nothing new comes for a while.
    func endJob(_ index: Int) {
        tenants[index].wanted = 0
        tenants[index].shortSince = nil
        for sni in tenants[index].vms.keys.sorted() {
            let end = fleet.now + .seconds(generator.integer(in: 0...120))
            if let vm = tenants[index].vms[sni], vm.end > end { tenants[index].vms[sni]?.end = end }
        }
    }

    private func answerMarks() {
        for host in fleet.names {
            let marked = (fleet.agents[host]?.leases ?? [:]).values.filter(\.marked).sorted { $0.block < $1.block }
            for lease in marked {
                let used = lease.block.identifiers.contains { fleet.agents[host]?.bindings[$0] != nil }
                let outcome: DrainAnswer.Outcome =
                    used ? .refused(reason: "a launch came first", users: []) : .drained
                fleet.say(
                    .drainAnswer(DrainAnswer(block: lease.block, epoch: lease.epoch, outcome: outcome)), from: host)
            }
        }
    }

    // MARK: What the book gives

    /// Whoever is given identifiers is not of a lower class than somebody who waits, unless its floor is owed to it; and of
    /// equals nobody is passed over again and again.
    private func hearGrants() throws {
        let fresh = fleet.log[seen...]
        seen = fleet.log.count
        for case .book(let event) in fresh {
            switch event {
            case .reserved(let reservation): try judge(reservation)
            case .marked(_, _, let reason, let force):
                try hold(!force, "taken by force: \(reason)")
                if reason.hasPrefix("preempted") { preemptedMarks += 1 }
            case .fenced(let block, _, _): try hold(false, "\(block) was taken without its host's word")
            default: break
            }
        }
    }

    private func judge(_ made: Reservation) throws {
        guard let index = tenants.firstIndex(where: { $0.id == made.application }) else { return }
        grants += 1
        let taker = tenants[index]
        tenants[index].shortSince = nil
        tenants[index].overtaken = [:]
        if book.owned(by: taker.id) <= (taker.floor + 3) & ~3 { return }
        // What is left is enough for all who come first.
        let first = tenants.filter { $0.priority.rank >= taker.priority.rank && waits($0, longerThan: .zero) }
        if book.free >= first.reduce(0, { $0 + $1.asked }) { return }
        for other in tenants.indices where other != index && tenants[other].shortSince != nil {
            let waiting = tenants[other]
            guard waiting.missing > 0, let since = waiting.shortSince, fleet.now - since >= .seconds(60) else {
                tenants[other].shortSince = waiting.missing > 0 ? waiting.shortSince : nil
                continue
            }
            if taker.priority.rank < waiting.priority.rank {
                try hold(
                    false,
                    "\(made.block) went to \(taker.priority) while \(waiting.priority) waits since \(since): "
                        + "\(made.reason)")
            }
            guard taker.priority == waiting.priority else { continue }
            tenants[other].overtaken[taker.id, default: 0] += 1
            let times = tenants[other].overtaken[taker.id] ?? 0
            try hold(times <= 3, "\(taker.id) was given identifiers \(times) times while \(waiting.id) waits")
        }
    }

    // MARK: The state of things

    /// Every VM is where its host may bind it, and nobody else has its identifier.
    func nothingBoundWasTaken() throws {
        var taken: Set<SessionNetworkID> = []
        for tenant in tenants {
            for (sni, vm) in tenant.vms {
                try hold(taken.insert(sni).inserted, "\(sni) is bound twice")
                let lease = book.lease(around: sni)
                try hold(
                    lease?.host == vm.host && lease?.application == tenant.id && lease?.isActive == true,
                    "\(sni) of \(tenant.id) runs on \(vm.host), the book has \(String(describing: lease))")
            }
        }
    }

    private func waits(_ tenant: Tenant, longerThan limit: Duration) -> Bool {
        tenant.missing > 0 && tenant.shortSince.map { fleet.now - $0 > limit } == true
    }

    func everyShortageIsExplained() throws {
        for tenant in tenants where waits(tenant, longerThan: .seconds(120)) {
            let told = try fleet.machine.decisionExplanation(of: tenant.id.description, at: fleet.now)
            let why = told.outcomes.filter { $0.kind == .refused || $0.kind == .taken }
            try hold(
                why.contains { $0.age <= .seconds(120) && $0.text.count > 10 },
                "\(tenant.priority) \(tenant.id) is short of \(tenant.missing), explained by \(told.outcomes)")
            try hold(!told.levers.isEmpty, "nothing is said to change it for \(tenant.id)")
        }
    }

    /// What a lower class holds beyond its floors and does not use is asked back while a higher one waits.
    func nothingIdleIsKept() throws {
        let waiting = tenants.filter { waits($0, longerThan: .seconds(180)) }
        guard let highest = waiting.map(\.priority.rank).max() else { return }
        let holdings = book.holdings
        guard holdings.reclaiming + holdings.quarantined == 0 else { return }
        for tenant in tenants where tenant.priority.rank < highest {
            let idle = book.holdings(of: tenant.id).reserved
            let spare = book.owned(by: tenant.id) - tenant.floor
            try hold(idle < 4 || spare < 4, "\(tenant.priority) \(tenant.id) keeps \(idle) reserved, \(spare) spare")
        }
    }

    /// Everything stops and goes: what is left over was leaked.
    func close() throws {
        for index in tenants.indices {
            tenants[index].wanted = 0
            for (sni, vm) in tenants[index].vms.sorted(by: { $0.key < $1.key }) {
                try stop(sni, on: vm.host, of: index)
            }
        }
        for tenant in tenants { _ = try fleet.command(.deleteApplication(tenant.id.description)).get() }
        try run(30)
        try hold(book.free == book.capacity, "\(book.capacity - book.free) identifiers were leaked")
        try hold(book.applications.isEmpty && book.leaseCount == 0, "something is left in the book")
        try hold(fleet.findings.isEmpty, "findings: \(fleet.findings)")
        for (host, agent) in fleet.agents { try hold(agent.complaints.isEmpty, "\(host): \(agent.complaints)") }
    }
}
