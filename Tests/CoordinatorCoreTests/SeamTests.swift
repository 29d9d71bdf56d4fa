import Allocation
import FleetProtocol
import Forecasting
import NetworkTypes
import SNISpace
import SimulationKit
import Testing

@testable import CoordinatorCore

/// The allocator against two Network Managers: the product's book, and arrays that share nothing with it.
@Suite struct SeamTests {
    struct VM {
        var application: ApplicationID
        var host: HostID
        var end: Instant
        var sni: SessionNetworkID
    }

    /// The same demand for both: VMs come to the block that was leased first, and end when they were drawn to.
    struct Demand {
        var generator: SeededGenerator
        var vms: [VM] = []
        var launches: [ApplicationID: [HostID: Int]] = [:]
        var idleSince: [SNIBlock: Instant] = [:]
        var memories: [ApplicationID: AllocationMemory] = [:]
        var refused: [ApplicationID: Int] = [:]

        func used(_ block: SNIBlock) -> Int { vms.count { block.contains($0.sni) } }

        func hosts(of application: ApplicationID, _ names: [HostID]) -> [HostDemand] {
            names.map { name in
                HostDemand(
                    host: name, inUse: vms.count { $0.application == application && $0.host == name },
                    recentLaunches: Double(launches[application]?[name] ?? 0))
            }
        }
    }

    /// A decision about one application, from the arrays' own state.
    private func decide(
        _ application: ApplicationID, _ policy: AllocationPolicy, _ settings: AllocationSettings,
        _ forecast: PeakForecast?, _ hosts: [HostID], _ plain: inout PlainManager, _ demand: inout Demand
    ) -> AllocationDecision {
        let blocks = plain.ownedBlocks(of: application, size: settings.blockSize).map { owned in
            var owned = owned
            if owned.host != nil {
                owned.inUse = demand.used(owned.block)
                owned.idleSince = demand.idleSince[owned.block]
            }
            return owned
        }
        let allocator = PredictiveAllocator(settings: settings)
        let known = hosts.filter { name in
            blocks.contains { $0.host == name } || demand.launches[application]?[name] ?? 0 > 0
        }
        var input = AllocationInput(
            application: application, policy: policy, hosts: demand.hosts(of: application, known), blocks: blocks,
            pendingElsewhere: demand.refused[application] ?? 0, forecast: forecast)
        // As the product: who knows nothing of the application is asked only where that matters.
        if allocator.concernsEveryHost(input) { input.hosts = demand.hosts(of: application, hosts) }
        var memory = demand.memories[application] ?? AllocationMemory()
        let decision = allocator.decide(input, memory: &memory, at: plain.now)
        demand.memories[application] = memory
        demand.refused[application] = nil
        let before = Set(plain.leases.keys)
        plain.carryOut(decision, interval: settings.decisionInterval)
        for block in plain.leases.keys where !before.contains(block) { demand.idleSince[block] = plain.now }
        return decision
    }

    /// A free identifier of the block that was leased first; else of one that is asked for.
    private func launch(
        _ application: ApplicationID, on host: HostID, size: Int, lifetime: Duration, _ plain: inout PlainManager,
        _ demand: inout Demand
    ) -> SessionNetworkID? {
        func room() -> SessionNetworkID? {
            let held = plain.leases.values.filter {
                $0.application == application && $0.host == host && !$0.isMarked
            }.sorted { $0.order < $1.order }
            let taken = Set(demand.vms.map(\.sni))
            return held.lazy.flatMap { $0.block.identifiers }.first { !taken.contains($0) }
        }
        if let sni = room() { return sni }
        if plain.idle(of: application, size: size).isEmpty {
            let wish = RangeWish(
                application: application, identifiers: size, blockSize: size, predicted: false, lifetime: lifetime,
                reason: "a launch waits")
            guard (try? plain.reserve(wish)) != nil else {
                demand.refused[application] = 1
                return nil
            }
        }
        _ = plain.lease(size, of: application, to: host)
        return room()
    }

    /// No identifier is anybody's twice, caps and floors hold, and what is claimed or leased has an owner.
    private func sound(_ plain: PlainManager, _ demand: Demand) throws {
        var owned: [ApplicationID: Int] = [:]
        for place in plain.owners.indices {
            if let owner = plain.owners[place] { owned[owner, default: 0] += 1 }
            guard let block = plain.leaseOf[place] else { continue }
            try hold(plain.leases[block]?.application == plain.owners[place], "\(block) is leased and another's")
        }
        var debt = 0
        for (id, account) in plain.accounts {
            try hold(account.owned == owned[id] ?? 0, "\(id) owns \(owned[id] ?? 0), not \(account.owned)")
            try hold(account.cap == 0 || account.owned <= account.cap, "\(id) is over its cap")
            debt += max(0, account.floor - account.owned)
        }
        try hold(debt <= plain.free, "floors promise \(debt), \(plain.free) are free")
        try hold(Set(demand.vms.map(\.sni)).count == demand.vms.count, "an identifier is bound twice")
        for vm in demand.vms {
            let lease = plain.leaseOf[Int(vm.sni.rawValue - plain.base)].flatMap { plain.leases[$0] }
            try hold(
                lease?.host == vm.host && lease?.application == vm.application && lease?.freeAt == nil,
                "\(vm.sni) is bound outside a lease")
        }
    }

    // MARK: Side by side

    private static var configuration: CoordinatorConfiguration {
        var configuration = Fleet.seconds
        configuration.pool = [SNIRange(unchecked: 4096, count: 16_384)]
        configuration.decisionInterval = .seconds(60)
        configuration.leadTime = .seconds(10)
        configuration.horizons = [.seconds(60), .seconds(120), .seconds(300)]
        configuration.quarantine = .seconds(13)
        configuration.standardLifetime = .seconds(305)
        configuration.reservationLifetime = .seconds(1805)
        configuration.unreachableAfter = .seconds(100_000)
        configuration.profiler = .elsewhere
        return configuration
    }

    private static func forecast(_ level: Double) -> PeakForecast? {
        PeakForecast(
            state: .ready, leads: [.seconds(70), .seconds(300)], levels: [0.5, 0.8, 0.95, 0.99],
            peaks: [1, 1.1, 1.3, 1.5, 1.2, 1.4, 1.6, 2].map { level * $0 })
    }

    private final class Pair {
        let fleet: Fleet
        var plain = PlainManager(pool: SNIRange(unchecked: 4096, count: 16_384))
        var demand: Demand
        var real: [SessionNetworkID: SessionNetworkID] = [:]
        var apps: [ApplicationID] = []
        var request: UInt64 = 0

        init(_ generator: SeededGenerator) throws {
            fleet = try Fleet(SeamTests.configuration, hosts: 4)
            fleet.start()
            demand = Demand(generator: generator)
            plain.quarantine = fleet.configuration.quarantine
            let modes = PredictionMode.allCases
            for number in 0..<6 {
                let priority = PriorityClass.allCases[number % 3]
                let policy = ApplicationPolicy(
                    priority: priority, mode: modes[number / 2 % 3], floor: number == 1 ? 40 : 0,
                    cap: number == 2 ? 96 : 0, lowWatermark: 2 + number)
                let id = try fleet.application("app-\(number)", policy)
                apps.append(id)
                plain.accounts[id] = .init(cap: policy.cap, floor: policy.floor, rank: priority.rank)
            }
        }

        /// The identifier at the product's book, in the block that was leased first.
        func launch(_ app: ApplicationID, on host: HostID) throws -> SessionNetworkID? {
            func room() -> SessionNetworkID? {
                let held = fleet.machine.state.book.leases(of: app)
                    .filter { $0.host == host && ($0.state == .leased || $0.state == .staged) }
                    .sorted { $0.grantEpoch < $1.grantEpoch }
                let bound = fleet.agents[host]?.bindings ?? [:]
                return held.lazy.flatMap { $0.block.identifiers }.first { bound[$0] == nil }
            }
            if let sni = room() { return sni }
            request += 1
            _ = fleet.lease(app, on: host, request: request)
            fleet.quiesce()
            return room()
        }

        /// Which block is whose claim's differs with where blocks are cut, so nothing is left to the ends of claims here.
        func extendClaims() throws {
            for reservation in fleet.machine.state.book.reservations() {
                _ = try fleet.command(.extendReservation(reservation.id, lifetime: .seconds(3600))).get()
            }
            for claim in plain.claimed.keys { plain.extend(claim, lifetime: .seconds(3600)) }
        }

        func answerMarks() {
            for host in fleet.names {
                for lease in (fleet.agents[host]?.leases ?? [:]).values.filter(\.marked).sorted(by: {
                    $0.block < $1.block
                }) {
                    let used = lease.block.identifiers.contains { fleet.agents[host]?.bindings[$0] != nil }
                    let outcome: DrainAnswer.Outcome = used ? .refused(reason: "in use", users: []) : .drained
                    fleet.say(
                        .drainAnswer(DrainAnswer(block: lease.block, epoch: lease.epoch, outcome: outcome)), from: host)
                }
            }
            fleet.quiesce()
            let demand = demand
            plain.isInUse = { demand.used($0) > 0 }
            plain.answerMarks()
        }
    }

    private func launches(_ pair: Pair, level: Double) throws {
        for app in pair.apps {
            for host in pair.fleet.names {
                for _ in 0..<pair.demand.generator.poisson(mean: level) {
                    let sni = try pair.launch(app, on: host)
                    let twin = launch(
                        app, on: host, size: 16, lifetime: pair.fleet.configuration.standardLifetime, &pair.plain,
                        &pair.demand)
                    try hold((sni == nil) == (twin == nil), "one of them refuses a launch of \(app)")
                    guard let sni, let twin else { continue }
                    let end = pair.fleet.now + .seconds(pair.demand.generator.exponential(mean: 240))
                    try pair.fleet.bind(sni, of: app, on: host, state: .bound)
                    pair.real[twin] = sni
                    pair.demand.vms.append(VM(application: app, host: host, end: end, sni: twin))
                }
            }
        }
    }

    private func stops(_ pair: Pair) throws {
        for vm in pair.demand.vms where vm.end <= pair.fleet.now {
            guard let sni = pair.real.removeValue(forKey: vm.sni) else { continue }
            try pair.fleet.bind(sni, of: vm.application, on: vm.host, state: .ended)
            if let block = pair.plain.leaseOf[Int(vm.sni.rawValue - pair.plain.base)] {
                pair.demand.idleSince[block] = pair.fleet.now
            }
        }
        let now = pair.fleet.now
        pair.demand.vms.removeAll { $0.end <= now }
    }

    private func compare(_ pair: Pair, _ told: PeakForecast?) throws {
        let hosts = pair.fleet.names
        let settings = try pair.apps.map { id in
            (id, pair.fleet.machine.settings(for: try #require(pair.fleet.machine.state.applications[id])))
        }
        for (id, setting) in settings.sorted(by: { $0.0 < $1.0 }) {
            let policy = try #require(pair.fleet.machine.state.applications[id]?.policy)
            let asked = AllocationPolicy(
                priority: policy.priority, mode: policy.mode, floor: policy.floor,
                cap: policy.cap == 0 ? nil : policy.cap, lowWatermark: policy.lowWatermark,
                highWatermark: policy.highWatermark, threshold: policy.threshold)
            let twin = decide(id, asked, setting, told, hosts, &pair.plain, &pair.demand)
            let real = try #require(pair.fleet.machine.live.decisions[id])
            try hold(twin.target == real.target, "targets of \(id): \(twin.target) and \(real.target)")
            // Hosts that know nothing of the application are not looked at by the one, and get nothing from either.
            let shares = [twin, real].map { $0.shares.filter { $0.held > 0 || $0.wanted > 0 } }
            try hold(shares[0] == shares[1], "shares of \(id): \(shares[0]) and \(shares[1])")
            try hold(twin.reserve == real.reserve && twin.owned == real.owned, "\(twin) and \(real)")
            try hold(twin.releases.count == real.releases.count, "releases of \(id)")
        }
    }

    @Test func bothManagersGetTheSameDecisions() throws {
        var released = 0
        try property("two managers", iterations: 3) { generator in
            let pair = try Pair(generator.fork(1))
            for step in 1...240 {
                let level = step / 80 == 1 ? 0.02 : 0.12
                try stops(pair)
                try launches(pair, level: level)
                if step % 10 == 0 { try pair.extendClaims() }
                let told = step / 60 % 2 == 0 ? Self.forecast(Double(pair.demand.vms.count) / 5) : nil
                pair.fleet.machine.live.forecasts = [:]
                if let told {
                    let profile = ToldProfile(forecast: told)
                    pair.fleet.input(.forecasts(Dictionary(uniqueKeysWithValues: pair.apps.map { ($0, profile) })))
                }
                let decided = pair.fleet.machine.live.decidedAt
                pair.fleet.pass(.seconds(10))
                let demand = pair.demand
                pair.plain.isInUse = { demand.used($0) > 0 }
                pair.plain.pass(to: pair.fleet.now)
                pair.demand.idleSince = pair.demand.idleSince.filter { pair.plain.leases[$0.key] != nil }
                if pair.fleet.machine.live.decidedAt != decided { try compare(pair, told) }
                pair.fleet.quiesce()
                pair.answerMarks()
                try sound(pair.plain, pair.demand)
            }
            released += pair.plain.outcomes.values.joined().count { $0 == .givenBack }
            try hold(pair.plain.shortages == 0, "the pool is large enough for all but the capped one")
        }
        #expect(released > 20, "a run that gives nothing back proves little")
    }

    // MARK: Shortage

    /// A pool that is far too small, caps and floors: whatever the manager refuses, the round leaves it sound.
    @Test func roundsInAShortageLeaveArraysSound() throws {
        var shortages = 0
        try property("shortage of a plain manager", iterations: 20) { generator in
            var plain = PlainManager(pool: SNIRange(unchecked: 4096, count: 256))
            var demand = Demand(generator: generator.fork(2))
            let names = try ["a", "b", "c"].map { try #require(HostID($0)) }
            let settings = AllocationSettings(standardLifetime: .seconds(300))
            var policies: [ApplicationID: AllocationPolicy] = [:]
            for number in 0..<5 {
                let id = ApplicationID(UUID128(high: 1, low: UInt64(number)))
                let floor = generator.pick(from: [0, 0, 16, 32]) ?? 0
                let cap = generator.chance(0.3) ? 64 : 0
                let priority = generator.pick(from: PriorityClass.allCases) ?? .batch
                policies[id] = AllocationPolicy(priority: priority, floor: floor, cap: cap == 0 ? nil : cap)
                plain.accounts[id] = .init(cap: cap, floor: floor, rank: priority.rank)
            }
            for _ in 0..<120 {
                plain.pass(to: plain.now + .seconds(20))
                let now = plain.now
                for vm in demand.vms where vm.end <= now {
                    if let block = plain.leaseOf[Int(vm.sni.rawValue - plain.base)] { demand.idleSince[block] = now }
                }
                demand.vms.removeAll { $0.end <= now }
                for id in policies.keys.sorted() {
                    guard let host = demand.generator.pick(from: names) else { continue }
                    for _ in 0..<demand.generator.integer(in: 0...4) {
                        let sni = launch(id, on: host, size: 16, lifetime: .seconds(300), &plain, &demand)
                        guard let sni else { continue }
                        let end = now + .seconds(demand.generator.exponential(mean: 300))
                        demand.vms.append(VM(application: id, host: host, end: end, sni: sni))
                        demand.launches[id, default: [:]][host, default: 0] += 1
                    }
                }
                let used = demand
                plain.isInUse = { used.used($0) > 0 }
                for (id, policy) in policies.sorted(by: { $0.key < $1.key }) {
                    _ = decide(id, policy, settings, nil, names, &plain, &demand)
                }
                plain.answerMarks()
                try sound(plain, demand)
            }
            shortages += plain.shortages
        }
        #expect(shortages > 0)
    }
}
