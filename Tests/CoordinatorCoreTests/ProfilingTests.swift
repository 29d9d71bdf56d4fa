import FleetProtocol
import Forecasting
import NetworkTypes
import SNISpace
import Testing

@testable import CoordinatorCore

@Suite struct ProfilingTests {
    private func samples(_ fleet: Fleet, _ app: ApplicationID) -> [Int?] {
        sampled(fleet, app).map { $0.demand?.vms }
    }

    private func sampled(_ fleet: Fleet, _ app: ApplicationID) -> [(slot: Int, demand: FleetSample.Demand?)] {
        fleet.log.flatMap { event -> [(slot: Int, demand: FleetSample.Demand?)] in
            guard case .sampled(let slot, let samples) = event else { return [] }
            return samples.filter { $0.application == app }.map { (slot, $0.demand) }
        }
    }

    @Test func sumsOverHosts() throws {
        let fleet = try Fleet(hosts: 2)
        fleet.start()
        let app = try fleet.application("web")
        for host in fleet.names { _ = fleet.lease(app, on: host, request: 1) }
        for vms in 1...3 {
            for host in fleet.names { fleet.aggregate(host, [(app, vms: vms, launches: 1)]) }
        }
        #expect(samples(fleet, app) == [2, 4, 6])
        #expect(try fleet.machine.profile("web").current == 6)
    }

    @Test func duplicatesAreDroppedAndAcknowledgedAgain() throws {
        let fleet = try Fleet(hosts: 1)
        fleet.start()
        let app = try fleet.application("web")
        let host = fleet.names[0]
        fleet.aggregate(host, [(app, vms: 5, launches: 5)])
        let events = fleet.log.count
        fleet.agents[host]?.acknowledgedAggregate = 0
        fleet.agents[host]?.aggregate -= 1
        fleet.aggregate(host, [(app, vms: 50, launches: 50)])
        #expect(fleet.log.count == events)
        #expect(fleet.agents[host]?.acknowledgedAggregate == 1)
        #expect(samples(fleet, app) == [5])
    }

    /// What happened in which of the intervals is not known: they stay gaps, and only their launches are counted.
    @Test func foldedIntervalsAreNoSample() throws {
        let fleet = try Fleet(hosts: 1)
        fleet.start()
        let app = try fleet.application("web")
        let host = fleet.names[0]
        fleet.aggregate(host, [(app, vms: 5, launches: 5)])
        fleet.aggregate(host, [(app, vms: 50, launches: 400)], skip: 3, folded: 4)
        fleet.aggregate(host, [(app, vms: 6, launches: 1)])
        #expect(samples(fleet, app) == [5, 6])
        #expect(fleet.agents[host]?.acknowledgedAggregate == 6)
    }

    /// A quota is a bound of every quantile, from its change on and across a restart.
    @Test func noMoreIsForecastThanTheCap() throws {
        let fleet = try Fleet(hosts: 1)
        fleet.start()
        let free = try fleet.application("free")
        let capped = try fleet.application("capped", ApplicationPolicy(cap: 128))
        let host = fleet.names[0]
        for vms in 1...120 {
            fleet.aggregate(host, [(free, vms: vms, launches: 1), (capped, vms: vms, launches: 1)])
        }
        func most(_ machine: CoordinatorMachine, _ app: ApplicationID) throws -> Double {
            let profile = try #require(machine.state.series[app]).profile()
            return profile.horizons.flatMap { $0.peak + $0.concurrent }.map(\.value).max() ?? 0
        }
        #expect(try most(fleet.machine, free) > 128)
        #expect(try most(fleet.machine, capped) <= 128)
        let record = try #require(fleet.machine.state.applications[free])
        let update = Command.updateApplication(
            "free", policy: ApplicationPolicy(cap: 124), expectedRevision: record.revision)
        _ = try fleet.command(update).get()
        #expect(try most(fleet.machine, free) <= 124)
    }

    /// CPU and traffic foretell VMs only where all of it is known.
    @Test(arguments: [false, true]) func loadIsKnownWhenEveryHostToldIt(isWhole: Bool) throws {
        let fleet = try Fleet(hosts: 2)
        fleet.start()
        let app = try fleet.application("web")
        for host in fleet.names { _ = fleet.lease(app, on: host, request: 1) }
        for (index, host) in fleet.names.enumerated() {
            let part = ApplicationAggregate(
                application: app, vms: 2, peakVMs: 2, cooling: 0, launches: 1, stops: 0, misses: 1, waited: .zero,
                traffic: TrafficCounters(receivedBytes: 100, sentBytes: 20),
                cpu: index == 0 || isWhole ? .milliseconds(1500) : nil)
            fleet.say(
                .aggregates(
                    Aggregates(sequence: 1, interval: .seconds(1), endedAt: fleet.now, applications: [part])),
                from: host)
        }
        let load = sampled(fleet, app).last?.demand?.load
        #expect(load == (isWhole ? FleetSample.Load(cpu: 3, bytes: 240, misses: 2) : nil))
        #expect(samples(fleet, app) == [4])
    }

    /// What was learnt at another interval is not guessed at.
    @Test func anotherIntervalBeginsAnewAndSaysSo() throws {
        let fleet = try Fleet(hosts: 1)
        fleet.start()
        let app = try fleet.application("web")
        for _ in 0..<50 { fleet.aggregate(fleet.names[0], [(app, vms: 5, launches: 0)]) }
        var configuration = Fleet.seconds
        configuration.aggregateInterval = .seconds(2)
        var machine = try CoordinatorMachine(
            restoring: fleet.machine.snapshot(), configuration: configuration, randomSeed: 3)
        let effects = machine.recovered(at: fleet.now)
        let isTold = effects.contains {
            if case .notice(let notice) = $0 { notice.code == "profiles-anew" } else { false }
        }
        #expect(try isTold && machine.profile("web").samples == 0 && fleet.machine.profile("web").samples == 50)
    }

    @Test func explanationTellsWhatMattered() throws {
        let fleet = try Fleet(hosts: 1)
        fleet.start()
        let app = try fleet.application("web")
        for index in 0..<400 {
            fleet.aggregate(fleet.names[0], [(app, vms: 20 + index % 60 / 6, launches: 1)])
        }
        let told = try fleet.machine.explanation(of: "web")
        #expect(told.application == app && told.samples == 400 && told.rejected == 0 && told.indicators.isEmpty)
        for lead in told.series.leads {
            let sum = lead.experts.reduce(0) { $0 + $1.middleWeight }
            #expect(abs(sum - 1) < 1e-3 && lead.experts.count == 5)
        }
        #expect(told.series.leads.first?.loss != nil && told.series.leads.first?.baselineLoss != nil)
        #expect(throws: CoordinatorError.self) { try fleet.machine.explanation(of: "nobody") }
    }

    @Test func missingHostIsUnknownAndNotAScaleIn() throws {
        let fleet = try Fleet(hosts: 2)
        fleet.start()
        let app = try fleet.application("web")
        for host in fleet.names { _ = fleet.lease(app, on: host, request: 1) }
        for host in fleet.names { fleet.aggregate(host, [(app, vms: 5, launches: 0)]) }
        fleet.disconnect(fleet.names[1])
        fleet.aggregate(fleet.names[0], [(app, vms: 5, launches: 0)])
        fleet.pass(.seconds(2))
        #expect(samples(fleet, app) == [10, nil])
        #expect(try fleet.machine.profile("web").current == 10)
    }

    @Test func unreachableHostIsCarriedOnWithWhatItHad() throws {
        let fleet = try Fleet(hosts: 2)
        fleet.start()
        let app = try fleet.application("web")
        let (a, b) = (fleet.names[0], fleet.names[1])
        for host in fleet.names { _ = fleet.lease(app, on: host, request: 1) }
        let block = try #require(fleet.agents[b]?.leases.keys.first)
        try fleet.bind(block.first, of: app, on: b, state: .bound)
        fleet.disconnect(b)
        for _ in 0..<25 {
            fleet.pass(.seconds(1))
            fleet.aggregate(a, [(app, vms: 5, launches: 0)])
        }
        #expect(samples(fleet, app).last == 6)
    }

    /// What others run is demand, and nothing else: no binding, no presence, and it survives its host's silence.
    @Test(arguments: [false, true]) func observedVMsAreDemand(restarts: Bool) throws {
        let fleet = try Fleet(hosts: 2)
        fleet.start()
        let app = try fleet.application("web")
        let (a, b) = (fleet.names[0], fleet.names[1])
        let observed = ObservedAggregate(vms: 7, peakVMs: 9, launches: 2, stops: 1)
        fleet.aggregate(a, [(app, vms: 1, launches: 1)])
        fleet.aggregate(b, [(app, vms: 0, launches: 0)], observed: observed)
        let sample = try #require(sampled(fleet, app).last?.demand)
        #expect(sample == .init(vms: 8, peak: 10, launches: 3, stops: 1))
        #expect(fleet.machine.live.presence[app] == nil && fleet.machine.state.bindings.boundByHost[b] ?? 0 == 0)
        if restarts {
            try fleet.restart(fromSnapshot: true)
            #expect(fleet.machine.state.observed == [b: [app: 7]])
            fleet.connect(a)
            fleet.connect(b)
        }
        fleet.disconnect(b)
        fleet.aggregate(a, [(app, vms: 1, launches: 0)])
        fleet.pass(.seconds(2))
        // Away: not known. Unreachable: what it had.
        #expect(samples(fleet, app).last == .some(nil))
        for _ in 0..<25 {
            fleet.pass(.seconds(1))
            fleet.aggregate(a, [(app, vms: 1, launches: 0)])
        }
        #expect(samples(fleet, app).last == 8)
        fleet.connect(b)
        fleet.aggregate(b, [(app, vms: 0, launches: 0)])
        fleet.aggregate(a, [(app, vms: 1, launches: 0)])
        fleet.aggregate(b, [(app, vms: 0, launches: 0)])
        fleet.pass(.seconds(2))
        #expect(fleet.machine.state.observed.isEmpty)
    }

    @Test func outageOfTheCoordinatorLeavesAHoleInTheSeries() throws {
        let fleet = try Fleet(hosts: 1)
        fleet.start()
        let app = try fleet.application("web")
        let host = fleet.names[0]
        fleet.aggregate(host, [(app, vms: 5, launches: 0)])
        try fleet.restart()
        fleet.connect(host)
        fleet.aggregate(host, [(app, vms: 7, launches: 0)], skip: 9)
        let slots = sampled(fleet, app).map(\.slot)
        #expect(slots.count == 2 && slots[1] - slots[0] == 10)
    }

    @Test func decisionReservesAndLeasesAheadOfDemand() throws {
        var configuration = Fleet.seconds
        configuration.decisionInterval = .seconds(5)
        let fleet = try Fleet(configuration, hosts: 2)
        fleet.start()
        let app = try fleet.application("web", ApplicationPolicy(floor: 20))
        #expect(try fleet.machine.leases().isEmpty)
        for _ in 0..<3 {
            for _ in 0..<5 {
                fleet.pass(.seconds(1))
                for host in fleet.names { fleet.aggregate(host, [(app, vms: 0, launches: 1)]) }
            }
            fleet.quiesce()
        }
        let leases = try fleet.machine.leases(of: "web")
        #expect(leases.reduce(0) { $0 + $1.block.size } >= 20)
        #expect(leases.allSatisfy { $0.state == .staged && $0.predicted })
        let decision = try #require(try fleet.machine.decisions(of: "web").first)
        #expect(decision.floor == 20 && decision.owned >= 20 && !decision.reason.isEmpty)
    }

    @Test func surplusGoesBackThroughTheHandshake() throws {
        var configuration = Fleet.seconds
        configuration.decisionInterval = .seconds(5)
        configuration.standardLifetime = .seconds(20)
        let fleet = try Fleet(configuration, hosts: 1)
        fleet.start()
        let app = try fleet.application("web", ApplicationPolicy(floor: 64))
        func run(_ seconds: Int) {
            for _ in 0..<seconds {
                fleet.pass(.seconds(1))
                for host in fleet.names {
                    fleet.aggregate(host, [(app, vms: 0, launches: 0)])
                    for lease in (fleet.agents[host]?.leases ?? [:]).values where lease.marked {
                        fleet.say(
                            .drainAnswer(DrainAnswer(block: lease.block, epoch: lease.epoch, outcome: .drained)),
                            from: host)
                    }
                }
                fleet.quiesce()
            }
        }
        run(15)
        #expect(try fleet.machine.application("web").owned >= 64)
        _ = try fleet.command(
            .updateApplication("web", policy: ApplicationPolicy(lowWatermark: 0, highWatermark: 0), expectedRevision: 0)
        ).get()
        run(120)
        #expect(try fleet.machine.application("web").owned < 64)
        #expect(!fleet.machine.reclaimed(after: 0).isEmpty)
        #expect(fleet.agents.values.allSatisfy { $0.complaints.isEmpty })
    }
}
