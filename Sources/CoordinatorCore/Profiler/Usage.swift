import FleetProtocol
import NetworkTypes

extension FleetSample {
    /// What an application's VMs used in one interval; nil where a host with VMs of it did not tell.
    public struct Usage: Hashable, Sendable, Codable {
        /// CPU time, seconds.
        public var cpu: Double?
        /// Bytes, at the end.
        public var memory: UInt64?
        /// Bytes of the VMs' ports.
        public var received: UInt64?
        public var sent: UInt64?
        /// Bytes exchanged between VMs.
        public var peers: UInt64?
        public init(
            cpu: Double? = nil, memory: UInt64? = nil, received: UInt64? = nil, sent: UInt64? = nil,
            peers: UInt64? = nil
        ) {
            self.cpu = cpu
            self.memory = memory
            self.received = received
            self.sent = sent
            self.peers = peers
        }

        /// Known to be nothing.
        static let none = Usage(cpu: 0, memory: 0, received: 0, sent: 0, peers: 0)

        /// Nil when nothing of it is known.
        var known: Usage? { self == Usage() ? nil : self }

        /// What may foretell VMs; nil unless all of it is known.
        var load: Load? {
            guard let cpu, let received, let sent else { return nil }
            return Load(cpu: cpu, bytes: received.clampedSum(sent), misses: 0)
        }

        /// One host's part. What its agent runs and what others run there are told apart, and both count.
        mutating func add(_ part: ApplicationAggregate) {
            add(
                vms: part.vms, cpu: part.cpu,
                memory: part.memoryVMs >= part.vms ? part.memory : nil, traffic: part.traffic, peers: part.peers?.bytes)
            guard let other = part.observed else { return }
            add(vms: other.vms, cpu: other.cpu, memory: other.memory, traffic: other.traffic, peers: nil)
        }

        private mutating func add(
            vms: Int, cpu seconds: Duration?, memory bytes: UInt64?, traffic: TrafficCounters?, peers exchanged: UInt64?
        ) {
            // Nothing is used where nothing runs, told or not.
            func sum(_ mine: UInt64?, _ told: UInt64?) -> UInt64? {
                guard let told = told ?? (vms == 0 ? 0 : nil) else { return nil }
                return mine?.clampedSum(told)
            }
            let time = seconds?.inSeconds ?? (vms == 0 ? 0 : nil)
            cpu = time.flatMap { time in cpu.map { $0 + time } }
            memory = sum(memory, bytes)
            received = sum(received, traffic?.receivedBytes)
            sent = sum(sent, traffic?.sentBytes)
            peers = sum(peers, exchanged)
        }
    }
}

extension FleetSample.Demand {
    /// What may foretell VMs, in the order of ``FleetSample/Load/indicatorNames``; empty where it is unknown. Memory, and
    /// traffic between VMs, stand last: both are missing where memory is not told, the latter where no agent tells of pairs.
    var indicators: [Double] {
        guard let load else { return [] }
        let always = [load.cpu, Double(load.bytes), Double(load.misses)]
        guard let memory = usage?.memory else { return always }
        return always + [Double(memory)] + (usage?.peers.map { [Double($0)] } ?? [])
    }

    /// For an ``ApplicationHistory``.
    var historyValues: [HistoryMeasure: UInt64] {
        var values: [HistoryMeasure: UInt64] = [
            .vms: UInt64(clamping: vms), .launches: UInt64(clamping: launches),
        ]
        if let seconds = usage?.cpu, seconds >= 0, seconds < 1e15 { values[.cpu] = UInt64((seconds * 1000).rounded()) }
        values[.memory] = usage?.memory
        values[.received] = usage?.received
        values[.sent] = usage?.sent
        values[.peers] = usage?.peers
        return values
    }
}

extension UInt64 {
    /// Counters of broken machines end at the largest number.
    func clampedSum(_ other: UInt64) -> UInt64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? .max : sum
    }
}
