import NetworkTypes
import SimulationKit
import Testing

@testable import Allocation

@Suite("Placement: outlook")
struct PlacementOutlookTests {
    private struct Drawn {
        var orchestrator: MadeUpOrchestrator
        var closed: Set<HostID> = []
        var next = 0
        var costRatio = 20.0
        let now = start + .seconds(3600)

        init(_ kind: MadeUpOrchestrator.Kind, _ generator: inout SeededGenerator) {
            let count = generator.chance(0.2) ? generator.integer(in: 200...400) : generator.integer(in: 1...60)
            orchestrator = MadeUpOrchestrator(kind, hosts: count, &generator)
            // At least as many as it takes to be recognised.
            for launch in 0..<generator.integer(in: 40...90) {
                orchestrator.launch(at: start + .seconds(30 * launch), &generator)
            }
            closed = Set(orchestrator.load.hosts.filter { _ in generator.chance(0.3) })
            next = generator.chance(0.2) ? 0 : generator.integer(in: 0...120)
            costRatio = [2.0, 20, 200][generator.integer(in: 0...2)]
        }

        func outlook() -> PlacementOutlook {
            PlacementOutlook(
                advice: advice(), next: next, costRatio: costRatio, own: orchestrator.own, load: orchestrator.load,
                habit: orchestrator.habit, prior: orchestrator.prior, at: now
            ) { closed.contains($0) ? 0 : 1 }
        }
    }

    @Test func closedHostsGetNothing() throws {
        try property("closed hosts", iterations: 150) { generator in
            let drawn = Drawn(generator.pick(from: MadeUpOrchestrator.Kind.allCases) ?? .draws, &generator)
            let outlook = drawn.outlook()
            try hold(outlook == drawn.outlook(), "it is not the same twice")
            for (host, seat) in outlook.seats {
                try hold(seat.isOpen != drawn.closed.contains(host), "\(host) is open: \(seat.isOpen)")
                try hold(seat.isOpen || seat.next == 0 && seat.rate == 0, "\(host) is closed and gets \(seat)")
                try hold(seat.next >= 0 && seat.rate >= 0, "\(host) gets \(seat)")
            }
            let sum = outlook.seats.values.reduce(0) { $0 + $1.rate }
            try hold(sum <= outlook.rate * 1.000001, "\(sum) of \(outlook.rate) launches per hour")
        }
    }

    /// As if each host of the fleet had been asked for its rank.
    @Test func whatIsExpectedIsWhatTheHabitSaysOfEveryRank() throws {
        try property("expected", iterations: 100) { generator in
            let drawn = Drawn(generator.pick(from: MadeUpOrchestrator.Kind.allCases) ?? .draws, &generator)
            let (outlook, own, load) = (drawn.outlook(), drawn.orchestrator.own, drawn.orchestrator.load)
            let shares = drawn.orchestrator.habit.shares(outlook.order, hosts: load.count, drawn.orchestrator.prior)
            for (index, name) in load.hosts.enumerated() {
                let isOpen = !drawn.closed.contains(name)
                let rank = own.rank(of: index, in: outlook.order, load)
                let rate = isOpen ? outlook.rate * shares[RankBin.bin(rank)] : 0
                if rate >= outlook.worth / 2 || own.seats[index] != nil {
                    try hold(outlook.seats[name]?.rate == rate, "\(name): \(outlook.seats[name] as Any), not \(rate)")
                } else if let seat = outlook.seats[name] {
                    try hold(seat.rate == rate && seat.next >= 0 && isOpen, "\(name): \(seat)")
                }
            }
        }
    }

    @Test func spreadLaunchesGoOneByOneToTheFewest() throws {
        try property("spread", iterations: 100) { generator in
            let drawn = Drawn(.spreads, &generator)
            let (outlook, own, load) = (drawn.outlook(), drawn.orchestrator.own, drawn.orchestrator.load)
            guard outlook.order == .spread else { return }
            let open = (0..<load.count).filter { !drawn.closed.contains(load.hosts[$0]) }
            var next: [Int: Int] = [:]
            for _ in 0..<drawn.next where !open.isEmpty {
                let chosen = open.min { left, right in
                    let (a, b) = (own.vms(left) + (next[left] ?? 0), own.vms(right) + (next[right] ?? 0))
                    return (a, own.vms(left), load.place(left)) < (b, own.vms(right), load.place(right))
                }
                if let chosen { next[chosen, default: 0] += 1 }
            }
            for index in 0..<load.count {
                let seat = outlook.seats[load.hosts[index]]
                try hold(seat?.next ?? 0 == next[index] ?? 0, "\(index): \(seat as Any), not \(next[index] ?? 0)")
            }
            let sum = outlook.seats.values.reduce(0) { $0 + $1.next }
            try hold(sum == (open.isEmpty ? 0 : drawn.next), "\(sum) of \(drawn.next)")
        }
    }

    @Test func packedLaunchesFillWhatHasRoom() throws {
        try property("pack", iterations: 100) { generator in
            let drawn = Drawn(.packs, &generator)
            let (outlook, load) = (drawn.outlook(), drawn.orchestrator.load)
            guard outlook.order == .pack else { return }
            let open = load.sorted.reversed().filter { !drawn.closed.contains(load.hosts[$0]) }
            var left = drawn.next
            for index in open {
                let part = min(left, load.peak - load.total(index))
                let seat = outlook.seats[load.hosts[index]]
                try hold(seat?.next ?? 0 == part, "\(index): \(seat as Any), not \(part)")
                left -= part
            }
        }
    }

    @Test func launchesThatStickAreSharedByWhatIsExpected() throws {
        try property("recent", iterations: 100) { generator in
            let drawn = Drawn(.sticks, &generator)
            let outlook = drawn.outlook()
            guard outlook.order == .recent else { return }
            let sum = outlook.seats.values.reduce(0) { $0 + $1.rate }
            for (host, seat) in outlook.seats {
                let part = sum > 0 ? seat.rate / sum * Double(drawn.next) : 0
                try hold(abs(Double(seat.next) - part) <= 0.5000001, "\(host): \(seat.next) of \(part)")
            }
        }
    }
}
