import Dataplane
import FleetProtocol
import Glibc
import LocalAPI
import Netlink
import NetworkTypes
import Telemetry

/// Everything that is read, with the sockets and the memory for it. Belongs to the telemetry worker's queue.
///
/// A source that fails is absent from the reading, and its socket is opened anew for the next one; the others are read
/// all the same.
final class TelemetryReaders {
    /// Name of the VXLAN device, as the data plane has it by default.
    static let device = "outrider"
    private let namespace: OverlayNamespace
    /// False on a host that only observes: there is no overlay, and nothing may be made for reading it.
    private let readsOverlay: Bool
    let ports: PortBook
    let workloads: WorkloadBook
    private var view = TelemetryView(targets: TelemetryTargets(), interfaces: [:], plan: nil)

    private var counters: CounterReader?
    private var route: RouteSocket?
    private var flows: FlowReader?
    /// Identifiers by index of their port, kept from reading to reading.
    private var byIndex: [Int: (sni: SessionNetworkID, port: PortBook.Port)] = [:]
    private(set) var sources: [AgentTelemetryReport.Source] = []

    init(
        namespace: OverlayNamespace, ports: PortBook, workloads: [String: AssignedWorkload], readsOverlay: Bool
    ) {
        self.readsOverlay = readsOverlay
        self.namespace = namespace
        self.ports = ports
        self.workloads = WorkloadBook(workloads, host: namespace.host)
    }

    func adopt(_ view: TelemetryView) {
        self.view = view
        workloads.adopt(view.interfaces)
    }

    func read(at now: Instant) -> TelemetryReading {
        var reading = TelemetryReading(at: now)
        sources.removeAll(keepingCapacity: true)
        guard readsOverlay else {
            reading.ports = []
            reading.tunnels = []
            return reading
        }
        source("ports") { () throws(NetlinkError) in
            try readPorts(into: &reading)
        } failed: {
            counters = nil
        }
        source("tunnels") { () throws(NetlinkError) in
            try readTunnels(into: &reading)
        } failed: {
            counters = nil
            route = nil
        }
        let read = workloads.read(into: &reading)
        sources.append(.init(name: "workloads", rows: read, error: workloads.failure))
        source("flows") { () throws(NetlinkError) in
            try readFlows(into: &reading)
        } failed: {
            flows = nil
        }
        return reading
    }

    private func source(
        _ name: String, _ body: () throws(NetlinkError) -> Int, failed: () -> Void
    ) {
        do throws(NetlinkError) {
            sources.append(.init(name: name, rows: try body(), error: nil))
        } catch {
            failed()
            sources.append(.init(name: name, rows: nil, error: error.description))
        }
    }

    // MARK: Ports and tunnels

    private func counterReader() throws(NetlinkError) -> CounterReader {
        if let counters { return counters }
        let fresh = try CounterReader(in: namespace.overlay)
        counters = fresh
        return fresh
    }

    private func readPorts(into reading: inout TelemetryReading) throws(NetlinkError) -> Int {
        let (known, ended) = ports.take()
        reading.endedPorts = ended
        byIndex.removeAll(keepingCapacity: true)
        for (sni, port) in known { byIndex[port.index] = (sni, port) }
        var rows: [PortReading] = []
        rows.reserveCapacity(known.count)
        do throws(NetlinkError) {
            try counterReader().readLinks { row in
                guard let (sni, port) = byIndex[row.index] else { return }
                rows.append(port.reading(of: sni, TrafficCounters(port: row)))
            }
        } catch {
            reading.unreadPorts = Array(known.keys)
            throw error
        }
        reading.ports = rows
        if rows.count < known.count {
            let found = Set(rows.map(\.sni))
            reading.unreadPorts = known.keys.filter { !found.contains($0) }
        }
        return rows.count
    }

    private func readTunnels(into reading: inout TelemetryReading) throws(NetlinkError) -> Int {
        guard let device = try routeSocket().link(named: Self.device) else {
            throw NetlinkError(
                operation: "read VNI counters", object: Self.device, code: ENODEV)
        }
        var rows: [TunnelReading] = []
        rows.reserveCapacity(view.targets.blocks.count)
        try counterReader().readTunnels(index: device.index) { row in
            // Echoes between hosts are no application's.
            guard row.vni != DataplaneConfiguration.echoVNI else { return }
            rows.append(
                TunnelReading(
                    vni: row.vni,
                    counters: TunnelCounters(
                        receivedBytes: row.receivedBytes, receivedPackets: row.receivedPackets,
                        refusedPackets: row.receiveDrops &+ row.receiveErrors)))
        }
        reading.tunnels = rows
        reading.tunnelDevice = UInt64(device.index)
        return rows.count
    }

    private func routeSocket() throws(NetlinkError) -> RouteSocket {
        if let route { return route }
        let fresh = try RouteSocket(in: namespace.overlay)
        route = fresh
        return fresh
    }

    // MARK: Flows

    private func flowReader(_ plan: OverlayPlan) throws(NetlinkError) -> FlowReader {
        if let flows { return flows }
        let fresh = try FlowReader(device: Self.device, plan: plan, in: namespace.overlay)
        flows = fresh
        return fresh
    }

    private func readFlows(into reading: inout TelemetryReading) throws(NetlinkError) -> Int {
        guard let plan = view.plan else { return 0 }
        let reader = try flowReader(plan)
        try reader.ensure()
        try reader.read()
        reading.flows = reader.flows.map {
            FlowReading(
                source: $0.source, destination: $0.destination, isIPv6: $0.isIPv6, bytes: $0.bytes, packets: $0.packets)
        }
        reading.unattributedPackets = try reader.overflow()
        return reader.flows.count
    }
}
