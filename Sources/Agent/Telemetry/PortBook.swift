import FleetProtocol
import Netlink
import NetworkTypes
import Synchronization
import Telemetry

/// The ports in the kernel, as their writer knows them and the readers of counters need them.
final class PortBook: Sendable {
    struct Port: Sendable {
        var index: Int
        /// Unique within the process: an index alone may be used again.
        var device: UInt64
        /// Made by this process, with all counters at 0.
        var isNew: Bool
        var application: ApplicationID?
        /// Of the VM; nil when that is not known.
        var mac: MACAddress?

        func reading(of sni: SessionNetworkID, _ counters: TrafficCounters) -> PortReading {
            PortReading(sni: sni, device: device, isNew: isNew, application: application, counters: counters)
        }
    }
    private struct State {
        var ports: [SessionNetworkID: Port] = [:]
        var byIndex: [Int: SessionNetworkID] = [:]
        var ended: [PortReading] = []
        var nextDevice: UInt64 = 1
        var events: [String: UInt64] = [:]
    }

    /// Last words that are kept until somebody takes them.
    private static let endedMax = 16_384
    private let state = Mutex(State())

    func put(_ sni: SessionNetworkID, index: Int, isNew: Bool, application: ApplicationID?, mac: MACAddress?) {
        state.withLock { state in
            if let before = state.ports[sni] { state.byIndex[before.index] = nil }
            state.byIndex[index] = sni
            state.ports[sni] = Port(
                index: index, device: state.nextDevice, isNew: isNew, application: application, mac: mac)
            state.nextDevice += 1
        }
    }

    /// - Parameter counters: the port's last; nil when they could not be read.
    func remove(_ sni: SessionNetworkID, counters: TrafficCounters?) {
        state.withLock { state in
            guard let port = state.ports.removeValue(forKey: sni) else { return }
            if state.byIndex[port.index] == sni { state.byIndex[port.index] = nil }
            guard let counters, state.ended.count < Self.endedMax else { return }
            state.ended.append(port.reading(of: sni, counters))
        }
    }

    subscript(_ sni: SessionNetworkID) -> Port? { state.withLock { $0.ports[sni] } }

    /// The port with this interface index.
    func port(index: Int) -> (SessionNetworkID, Port)? {
        state.withLock { state in
            guard let sni = state.byIndex[index], let port = state.ports[sni] else { return nil }
            return (sni, port)
        }
    }

    var all: [SessionNetworkID: Port] { state.withLock { $0.ports } }

    /// Counts a change in the overlay's namespace that was not the writer's own.
    func note(_ event: KernelEvent) {
        let name: String
        switch event {
        case .link, .linkGone: name = "link"
        case .changed(let kind): name = "\(kind)"
        case .tableChanged: name = "table"
        case .resync: name = "overrun"
        // The writer's own are among them.
        case .vni: return
        }
        state.withLock { $0.events[name, default: 0] += 1 }
    }

    /// Changes since the process started, by kind.
    var events: [String: UInt64] { state.withLock { $0.events } }

    /// The ports, and the last words since the last call: each port is in one of the two.
    func take() -> (ports: [SessionNetworkID: Port], ended: [PortReading]) {
        state.withLock { state in
            defer { state.ended = [] }
            return (state.ports, state.ended)
        }
    }
}
