/// An order of hosts in which an orchestrator may look for the next one.
public enum PlacementOrder: Int, Hashable, Sendable, CaseIterable {
    /// The fewest VMs of the application first, then the fewest of all: what spreads replicas.
    case spread
    /// The fullest with room first.
    case pack
    /// Where the most of the application was launched lately.
    case recent
}

/// One application's VMs and recent launches by host, as far as there are any.
public struct ApplicationLoad: Hashable, Sendable {
    public struct Seat: Hashable, Sendable {
        /// Of ``FleetLoad``.
        public var host: Int
        public var vms: Int
        /// Recent launches, fading.
        public var recent: Double
        public init(host: Int, vms: Int, recent: Double) {
            self.host = host
            self.vms = vms
            self.recent = recent
        }
    }

    /// Fewer recent launches than this say nothing.
    private static let trifle = 1e-3
    /// By host, of those with VMs or recent launches.
    let seats: [Int: Seat]

    /// - Parameter seats: each host once.
    public init(_ seats: [Seat]) {
        self.seats = Dictionary(
            seats.filter { $0.vms > 0 || $0.recent > Self.trifle }.map { ($0.host, $0) }, uniquingKeysWith: { $1 })
    }

    public func vms(_ host: Int) -> Int { seats[host]?.vms ?? 0 }
    func recent(_ host: Int) -> Double { seats[host]?.recent ?? 0 }

    /// How many hosts come before this one.
    public func rank(of host: Int, in order: PlacementOrder, _ load: FleetLoad) -> Int {
        let place = load.place(host)
        switch order {
        case .spread:
            let own = vms(host)
            // Hosts without VMs of it, but for those before that have some.
            var rank = own == 0 ? place : load.count - seats.values.count { $0.vms > 0 }
            for seat in seats.values where seat.vms > 0 && seat.host != host {
                if own == 0 {
                    rank -= load.place(seat.host) < place ? 1 : 0
                } else if (seat.vms, load.place(seat.host)) < (own, place) {
                    rank += 1
                }
            }
            return rank
        case .pack: return place < load.roomy ? load.roomy - 1 - place : place
        case .recent:
            let mine = recent(host)
            guard mine > 0 else {
                let known = seats.values.filter { $0.recent > 0 }
                return known.count + place - known.count { load.place($0.host) < place }
            }
            return seats.values.count { seat in
                seat.recent > mine || seat.recent == mine && load.place(seat.host) < place
            }
        }
    }

    /// The ranks of its own hosts, each once; as ``rank(of:in:_:)`` has them, and all at once.
    func ranks(in order: PlacementOrder, _ load: FleetLoad) -> [(seat: Seat, rank: Int)] {
        var ranks = seats.values.map { (seat: $0, rank: load.place($0.host)) }.sorted { $0.rank < $1.rank }
        guard order != .pack else {
            for index in ranks.indices { ranks[index].rank = rank(of: ranks[index].seat.host, in: .pack, load) }
            return ranks
        }
        let isSpread = order == .spread
        // The hosts that the order puts apart: behind all others, or before them.
        var apart: [(seat: Seat, rank: Int)] = []
        var others: [(seat: Seat, rank: Int)] = []
        for (seat, place) in ranks {
            let isApart = isSpread ? seat.vms > 0 : seat.recent > 0
            if isApart {
                apart.append((seat, place))
            } else {
                others.append((seat, place - apart.count))
            }
        }
        apart.sort { left, right in
            isSpread
                ? (left.seat.vms, left.rank) < (right.seat.vms, right.rank)
                : (right.seat.recent, left.rank) < (left.seat.recent, right.rank)
        }
        let first = isSpread ? load.count - apart.count : 0
        for index in apart.indices { apart[index].rank = first + index }
        if !isSpread { for index in others.indices { others[index].rank += apart.count } }
        return apart + others
    }

    /// Hosts in their order, until `visit` has seen enough and answers false.
    func visit(_ order: PlacementOrder, _ load: FleetLoad, _ visit: (Int) -> Bool) {
        func seats(_ precedes: (Seat, Seat) -> Bool, where isMeant: (Seat) -> Bool) -> [Int] {
            self.seats.values.filter(isMeant).sorted(by: precedes).map(\.host)
        }
        func place(_ seat: Seat) -> Int { load.place(seat.host) }
        switch order {
        case .spread:
            for host in load.sorted where vms(host) == 0 { guard visit(host) else { return } }
            let carriers = seats({ ($0.vms, place($0)) < ($1.vms, place($1)) }, where: { $0.vms > 0 })
            for host in carriers { guard visit(host) else { return } }
        case .pack:
            for place in (0..<load.roomy).reversed() { guard visit(load.sorted[place]) else { return } }
            for place in load.roomy..<load.count { guard visit(load.sorted[place]) else { return } }
        case .recent:
            let known = seats({ ($1.recent, place($0)) < ($0.recent, place($1)) }, where: { $0.recent > 0 })
            for host in known { guard visit(host) else { return } }
            for host in load.sorted where recent(host) == 0 { guard visit(host) else { return } }
        }
    }
}
