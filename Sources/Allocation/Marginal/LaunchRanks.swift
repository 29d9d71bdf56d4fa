import Forecasting

/// The smallest standing floor that would have served each launch.
///
/// A floor of n identifiers, each replaced one lead time after it was taken, is n servers that are busy for one lead time
/// per launch. When every launch takes the first idle server, the first n of them behave the same whether there are more
/// behind or not: so the number of the server is the smallest floor that serves the launch (ordered hunting with
/// overflow, as on a bundle of trunks).
struct LaunchRanks: Hashable, Sendable {
    static let servers = 64
    private var idle = UInt64.max
    /// Busy servers in the order in which they become idle: a ring.
    private var busy = [UInt8](repeating: 0, count: Self.servers)
    /// Seconds from the start of the tick.
    private var due = [Float](repeating: 0, count: Self.servers)
    private var first = 0
    private var count = 0

    /// - Returns: 1 and up; ``servers`` + 1 when all are busy.
    mutating func launch(at time: Float, lead: Float) -> Int {
        while count > 0, due[first] <= time {
            idle |= 1 << UInt64(busy[first])
            first = (first + 1) % Self.servers
            count -= 1
        }
        guard idle != 0 else { return Self.servers + 1 }
        let server = idle.trailingZeroBitCount
        idle &= idle - 1
        let place = (first + count) % Self.servers
        busy[place] = UInt8(server)
        due[place] = time + lead
        count += 1
        return server + 1
    }

    mutating func endTick(seconds: Float) {
        for place in 0..<count { due[(first + place) % Self.servers] -= seconds }
    }

    mutating func code(_ coder: inout some StateCoder) {
        coder.code(&idle)
        for place in busy.indices { coder.code(&busy[place]) }
        for place in due.indices { coder.code(&due[place]) }
        coder.code(&first)
        coder.code(&count)
    }

    /// Every server is idle or stands in the ring once.
    var isPossible: Bool {
        guard 0..<Self.servers ~= first, 0...Self.servers ~= count, busy.allSatisfy({ $0 < Self.servers }),
            due.allSatisfy({ $0.magnitude <= MarginalBounds.number })
        else { return false }
        var seen = idle
        for place in 0..<count {
            let server = UInt64(1) << UInt64(busy[(first + place) % Self.servers])
            guard seen & server == 0 else { return false }
            seen |= server
        }
        return seen == .max
    }

    /// Of the arrays.
    var bytes: Int { arrayBytes(busy) + arrayBytes(due) }
}
