import NetworkTypes
import SimulationKit
import Testing

@testable import Allocation

@Suite("Placement: fleet and orders")
struct PlacementFleetTests {
    @Test func theFleetStaysSorted() throws {
        try property("fleet load", iterations: 20) { generator in
            var totals: [HostID: Int] = [:]
            for index in 0..<generator.integer(in: 1...40) {
                totals[host("h\(index)")] = generator.integer(in: -1...9)
            }
            var load = FleetLoad(totals, peak: generator.integer(in: 0...5))
            totals = totals.mapValues { max(0, $0) }
            var peak = load.peak
            try hold(peak >= totals.values.max() ?? 0, "peak \(peak) is below \(totals)")
            let names = totals.keys.sorted()
            for _ in 0..<400 {
                let count = generator.integer(in: -4...4)
                guard let name = generator.pick(from: names), generator.chance(0.95) else {
                    load.add(count, on: host("stranger"))
                    continue
                }
                load.add(count, on: name)
                totals[name] = max(0, (totals[name] ?? 0) + count)
                peak = max(peak, totals[name] ?? 0)
                try check(load, totals, peak: peak)
            }
        }
    }

    private func check(_ load: FleetLoad, _ totals: [HostID: Int], peak: Int) throws {
        try hold(load.hosts == totals.keys.sorted() && load.count == totals.count, "other hosts")
        for (index, host) in load.hosts.enumerated() {
            try hold(load.total(index) == totals[host], "\(host) has \(load.total(index))")
            try hold(load.sorted[load.place(index)] == index && load.index(of: host) == index, "\(host) is misplaced")
        }
        let values = load.sorted.map(load.total)
        try hold(zip(values, values.dropFirst()).allSatisfy { $0 <= $1 }, "unsorted: \(values)")
        try hold(Set(load.sorted).count == load.count, "a host stands twice")
        try hold(load.peak == peak, "peak \(load.peak), not \(peak)")
        try hold(load.roomy == values.count { $0 < peak }, "\(load.roomy) have room: \(values), \(peak)")
    }

    private func draw(_ generator: inout SeededGenerator) -> (ApplicationLoad, FleetLoad) {
        var totals: [HostID: Int] = [:]
        for index in 0..<generator.integer(in: 1...60) { totals[host("h\(index)")] = generator.integer(in: 0...6) }
        var load = FleetLoad(totals)
        for _ in 0..<generator.integer(in: 0...80) {
            load.add(generator.chance(0.5) ? 1 : -1, on: load.hosts[generator.integer(in: 0...load.count - 1)])
        }
        let seats = (0..<load.count).filter { _ in generator.chance(0.3) }.map { host in
            ApplicationLoad.Seat(
                host: host, vms: generator.integer(in: 0...3),
                recent: [0, 0.5, 1, generator.unit()][generator.integer(in: 0...3)])
        }
        return (ApplicationLoad(seats), load)
    }

    /// By the same keys, without any cleverness.
    private func sorted(_ order: PlacementOrder, _ own: ApplicationLoad, _ load: FleetLoad) -> [Int] {
        let hosts = Array(0..<load.count)
        func place(_ host: Int) -> Int { load.place(host) }
        return switch order {
        case .spread: hosts.sorted { (own.vms($0), place($0)) < (own.vms($1), place($1)) }
        case .pack:
            hosts.sorted { left, right in
                let hasRoom = (load.total(left) < load.peak, load.total(right) < load.peak)
                guard hasRoom.0 == hasRoom.1 else { return hasRoom.0 }
                return hasRoom.0 ? place(left) > place(right) : place(left) < place(right)
            }
        case .recent: hosts.sorted { (own.recent($1), place($0)) < (own.recent($0), place($1)) }
        }
    }

    @Test func ranksAreThoseOfASort() throws {
        try property("ranks", iterations: 200) { generator in
            let (own, load) = draw(&generator)
            for order in PlacementOrder.allCases {
                let expected = sorted(order, own, load)
                for (rank, host) in expected.enumerated() {
                    let found = own.rank(of: host, in: order, load)
                    try hold(found == rank, "\(order): \(host) is \(found), not \(rank)")
                    try hold(PlacementRanks(of: host, own, load)[order] == rank, "\(order): ranks differ")
                }
                for (seat, rank) in own.ranks(in: order, load) {
                    try hold(expected[rank] == seat.host, "\(order): \(seat.host) is not \(rank)")
                }
                let ranked = own.ranks(in: order, load).map(\.seat.host).sorted()
                try hold(ranked == own.seats.keys.sorted(), "\(order): not each of its hosts once")
            }
        }
    }

    @Test func visitsGoByRankUntilEnoughIsSeen() throws {
        try property("visits", iterations: 200) { generator in
            let (own, load) = draw(&generator)
            for order in PlacementOrder.allCases {
                let expected = sorted(order, own, load)
                for enough in [load.count, generator.integer(in: 1...load.count)] {
                    var seen: [Int] = []
                    own.visit(order, load) {
                        seen.append($0)
                        return seen.count < enough
                    }
                    try hold(seen == Array(expected.prefix(enough)), "\(order): \(seen), not \(expected)")
                }
            }
        }
    }

    @Test func hostsWithoutAnythingOfItAreNoSeats() {
        let own = ApplicationLoad([
            .init(host: 1, vms: 0, recent: 0.0001), .init(host: 2, vms: 1, recent: 0),
            .init(host: 3, vms: 0, recent: 1),
        ])
        #expect(own.seats.keys.sorted() == [2, 3])
        #expect(own.vms(1) == 0 && own.vms(2) == 1 && own.recent(3) == 1)
    }
}
