import NetworkTypes

/// What the tables of a fleet follow from, counted by seat and application.
struct ChurnTables: Hashable, Sendable {
    /// Aligned prefixes that reach the VMs of a seat: what every other host of the application routes to.
    var prefixes: [Int]
    /// VMs by seat.
    var bound: [Int]
    /// Runs of identifiers by application: pairs of them are what the forward filter holds.
    var extents: [Int]
    /// Identifiers leased, used or not.
    var leased: Int
}

extension ChurnTables {
    /// Of a scheme without blocks: the fewest aligned prefixes that hold exactly the bound identifiers.
    init(_ scheme: SingleScheme, seats: [Seat], applications: Int) {
        prefixes = Array(repeating: 0, count: seats.count)
        bound = prefixes
        extents = Array(repeating: 0, count: applications)
        leased = 0
        var bySeat: [UInt64] = []
        var byApplication: [UInt64] = []
        for case let place? in scheme.bound {
            bySeat.append(UInt64(place.seat) << 24 | UInt64(place.sni))
            byApplication.append(UInt64(seats[place.seat].application) << 24 | UInt64(place.sni))
            bound[place.seat] += 1
            leased += 1
        }
        Self.runs(bySeat.sorted()) { seat, first, end in prefixes[seat] += Self.prefixes(first, end) }
        Self.runs(byApplication.sorted()) { application, _, _ in extents[application] += 1 }
    }

    /// Of blocks: one prefix each, whether VMs are in it or not.
    init(_ scheme: LocalityScheme, seats: [Seat], applications: Int) {
        prefixes = Array(repeating: 0, count: seats.count)
        bound = prefixes
        leased = 0
        for (seat, state) in scheme.states.enumerated() {
            prefixes[seat] = state.blocks.count
            for block in state.blocks {
                bound[seat] += block.bound
                leased += block.block.size
            }
        }
        extents = (0..<applications).map { scheme.activeRuns($0).count }
    }

    /// Runs of consecutive numbers with the same owner above bit 24.
    private static func runs(_ sorted: [UInt64], _ body: (Int, UInt32, UInt32) -> Void) {
        var start = 0
        while start < sorted.count {
            var end = start + 1
            while end < sorted.count, sorted[end] == sorted[end - 1] + 1, sorted[end] >> 24 == sorted[start] >> 24 {
                end += 1
            }
            let first = UInt32(sorted[start] & 0xFF_FFFF)
            body(Int(sorted[start] >> 24), first, first + UInt32(end - start))
            start = end
        }
    }

    /// The fewest aligned powers of two that tile a run.
    static func prefixes(_ first: UInt32, _ end: UInt32) -> Int {
        var (first, count) = (first, 0)
        while first < end {
            let aligned = first == 0 ? 24 : first.trailingZeroBitCount
            first += 1 << UInt32(min(aligned, 31 - (end - first).leadingZeroBitCount))
            count += 1
        }
        return count
    }
}

/// One look at the tables of all hosts under one scheme. One address family; a second doubles routes and elements.
public struct ChurnSample: Hashable, Sendable {
    /// Days since the start.
    public var day: Double
    public var vms: Int
    /// Per host.
    public var routesMean: Double
    public var routesMax: Int
    /// One nexthop object per remote prefix: each has a VNI of its own.
    public var nexthopsMean: Double
    /// Pair elements and one ingress element per bound VM, per host.
    public var elementsMean: Double
    public var elementsMax: Int
    /// Local VNIs in the filter of the VXLAN device, per host.
    public var vnisMean: Double
    /// Runs of identifiers, per application.
    public var extentsMean: Double
    /// Routes over all (host, application on it, remote host with VMs of it).
    public var routesPerRemote: Double
    /// Prefixes over all (application, host with VMs of it), each counted once.
    public var prefixesPerSeat: Double
    /// Share of the leased identifiers that no VM uses.
    public var waste: Double

    init(_ tables: ChurnTables, seats: [Seat], hosts: Int, at time: Instant) {
        var routes = Array(repeating: 0, count: hosts)
        var elements = routes
        var vnis = routes
        var total = tables.extents.map { _ in 0 }
        var occupied = total
        for (seat, place) in seats.enumerated() {
            total[place.application] += tables.prefixes[seat]
            if tables.bound[seat] > 0 { occupied[place.application] += 1 }
        }
        var remotes = 0
        for (seat, place) in seats.enumerated() where tables.prefixes[seat] > 0 {
            let extents = tables.extents[place.application]
            routes[place.host] += total[place.application] - tables.prefixes[seat]
            elements[place.host] += extents * extents + tables.bound[seat]
            vnis[place.host] += tables.prefixes[seat]
            remotes += occupied[place.application] - (tables.bound[seat] > 0 ? 1 : 0)
        }
        func mean(_ values: [Int]) -> Double { Double(values.reduce(0, +)) / Double(max(1, values.count)) }
        day = (time - Instant(nanoseconds: 0)).inSeconds / 86_400
        vms = tables.bound.reduce(0, +)
        routesMean = mean(routes)
        routesMax = routes.max() ?? 0
        nexthopsMean = routesMean
        elementsMean = mean(elements)
        elementsMax = elements.max() ?? 0
        vnisMean = mean(vnis)
        extentsMean = mean(tables.extents.filter { $0 > 0 })
        routesPerRemote = Double(routes.reduce(0, +)) / Double(max(1, remotes))
        prefixesPerSeat = Double(tables.prefixes.reduce(0, +)) / Double(max(1, occupied.reduce(0, +)))
        waste = 1 - Double(vms) / Double(max(1, tables.leased))
    }
}
