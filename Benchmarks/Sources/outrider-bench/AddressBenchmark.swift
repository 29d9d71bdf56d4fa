import NetworkTypes

/// Identifier to address and back: on every launch and every filter element.
enum AddressBenchmark {
    @Sendable static func run() {
        let plan = OverlayPlan.standard
        let count: UInt32 = 1_000_000
        var wrong = 0
        Report.bulk("addresses: identifier to IPv4 and back", operations: Int(count)) {
            for number in 0..<count {
                let sni = SessionNetworkID(unchecked: number)
                if plan.identifier(of: plan.ipv4(of: sni)) != sni { wrong += 1 }
            }
        }
        var sum: UInt64 = 0
        Report.bulk("addresses: identifier to IPv6", operations: Int(count)) {
            for number in 0..<count { sum &+= plan.ipv6(of: SessionNetworkID(unchecked: number)).low }
        }
        // Looked at, so that the loops are not optimised away.
        precondition(wrong == 0 && sum != 0)
    }
}
