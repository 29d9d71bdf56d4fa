import CRouteLoop
import Dataplane
import Foundation
import Glibc
import NamespaceKit
import Netlink
import NetworkTypes

/// A packet from one VM to another of the same host, with the entries of 10 VMs in the tables and with those of 10,000.
enum ForwardingBenchmark {
    private static let packets: UInt32 = 100_000
    private static let rounds = 7

    static func run() throws {
        let beds = [10, 10_000].map { ($0, "otr-bench\(getpid())-f\($0)") }
        defer { try? NetworkNamespace.remove(beds.flatMap { [$0.1, $0.1 + "o", $0.1 + "v1", $0.1 + "v2"] }) }
        var sides: [Side] = []
        for (count, name) in beds { sides.append(try Side(name, entries: count)) }
        var costs = [[Double]](repeating: [], count: sides.count)
        for _ in 0..<rounds {
            for (index, side) in sides.enumerated() { costs[index].append(try side.cost()) }
        }
        let (few, many) = (DataplaneBenchmark.best(costs[0]), DataplaneBenchmark.best(costs[1]))
        Results.note("dataplane: packet, 10 VMs' entries", few, "ns")
        Results.note("dataplane: packet, 10,000 VMs' entries", many, "ns")
        Results.note("dataplane: packet, 10,000 against 10", many / few, "x", bar: 1.3)
    }

    private struct Side {
        let bed: DataplaneBenchmark.Bed
        let sender: NamespaceDescriptor
        let receiver: String
        let target: IPv4Address

        /// Two VMs that talk, and the elements and routes of `entries` others.
        init(_ name: String, entries: Int) throws {
            bed = try DataplaneBenchmark.makeBed(host: name, overlay: name + "o")
            let application = ApplicationID(UUID128(high: 0, low: 1))
            guard let block = SNIBlock(first: SessionNetworkID(unchecked: 0x3000), size: 16) else {
                preconditionFailure("not aligned")
            }
            var state = DataplaneState(configuration: DataplaneBenchmark.configuration, deletes: .nothing)
            try state.apply(.setLocalBlock(LocalBlock(block: block, application: application)))
            try state.apply(.setScope(Scope(application: application, ranges: [block.range])))
            let names = ["v1", "v2"].map { name + $0 }
            try NetworkNamespace.create(names)
            let plan = DataplaneBenchmark.configuration.plan
            for (index, vm) in names.enumerated() {
                let sni = SessionNetworkID(unchecked: 0x3001 + UInt32(index))
                guard let interface = VMInterface(vm: "v\(index)", nic: 0) else { preconditionFailure("a name") }
                let port = Port(
                    sni: sni, block: block, application: application, interface: interface,
                    mac: MACAddress(0x064F_5200_0000 | UInt64(sni.rawValue)))
                let machine = try NamespaceDescriptor(path: NetworkNamespace.path(vm))
                try bed.kernel.route.createVethPort(
                    name: port.name, gatewayMAC: DataplaneConfiguration.portMAC, peerName: "eth0",
                    peerNamespaceFD: machine.fd, peerMAC: port.mac, mtu: 1450, alias: "bench")
                withExtendedLifetime(machine) {}
                try state.apply(.setPort(port))
                try Command.ipBatch(
                    [
                        "link set lo up", "link set eth0 up", "addr add \(plan.ipv4(of: sni))/32 dev eth0",
                        "route add 169.254.1.1 dev eth0", "route add default via 169.254.1.1 dev eth0",
                    ], namespace: vm)
            }
            state.resync(try bed.kernel.dump())
            let others = DataplaneBenchmark.vms(entries)
            let routes = others.map {
                KernelOperation.create(.route(.v4(plan.ipv4(of: $0), length: 32), metric: 0, .unreachable))
            }
            let elements = others.flatMap(DataplaneBenchmark.filters).map { KernelOperation.create(.element($0)) }
            for work in [
                state.plan(),
                ChangePlan(steps: [
                    ChangeStep(stage: .acquireRoutes, operations: routes),
                    ChangeStep(stage: .acquireSources, operations: elements),
                ]),
            ] {
                let outcome = bed.kernel.execute(work)
                precondition(outcome.failed.isEmpty, "\(outcome.failed.first.map { "\($0)" } ?? "")")
            }
            sender = try NamespaceDescriptor(path: NetworkNamespace.path(names[0]))
            receiver = names[1]
            target = plan.ipv4(of: SessionNetworkID(unchecked: 0x3002))
        }

        /// Nanoseconds per packet that arrived.
        func cost() throws -> Double {
            let before = try arrived()
            let elapsed = DataplaneBenchmark.seconds {
                let result = routeloop_blast(sender.fd, target.rawValue, 9, packets)
                precondition(result >= 0, "blast: \(result)")
            }
            let count = try arrived() - before
            precondition(count > packets / 2, "only \(count) of \(packets) packets arrived")
            return elapsed / Double(count) * 1e9
        }

        private func arrived() throws -> UInt64 { try PortCounters(link: "eth0", in: receiver).receivedPackets }
    }
}
