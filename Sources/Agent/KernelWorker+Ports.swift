import AgentCore
import Dataplane
import FleetProtocol
import Logging
import Netlink
import NetworkTypes
import Synchronization

/// Ports: the part of the worker that acts on devices.
extension KernelWorker {
    func createPort(_ order: PortOrder) -> Result<PortFacts, PortFailure> {
        guard let kernel else { return .failure(.failed("the overlay is not up")) }
        let mark = PortMark(order.port)
        do throws(NetlinkError) {
            let index: Int
            switch order.kind {
            case .veth(let path, let name):
                let peer: NamespaceDescriptor
                do throws(NetlinkError) {
                    peer = try NamespaceDescriptor(path: path)
                } catch {
                    return .failure(.noSuchNamespace("\(path): \(error)"))
                }
                index = try kernel.route.createVethPort(
                    name: order.port.name, gatewayMAC: DataplaneConfiguration.portMAC, peerName: name,
                    peerNamespaceFD: peer.fd, peerMAC: order.port.mac, mtu: order.mtu, alias: mark.text,
                    // A namespace speaks as soon as it has a device that is up: whoever moves it here raises it then.
                    raisesPeer: !order.port.standby)
            case .tap(let owner, let group):
                index = try kernel.route.createTapPort(
                    name: order.port.name, gatewayMAC: DataplaneConfiguration.portMAC, alias: mark.text,
                    owner: owner, group: group)
            case .later: return .failure(.unsupported(port: order.port.name, kind: "a port that comes later"))
            }
            ports.put(
                order.port.sni, index: index, isNew: true, application: order.port.application,
                mac: order.port.mac)
            return .success(PortFacts(index: index))
        } catch {
            return .failure(error.isExists ? .nameTaken(error.description) : .failed(error.description))
        }
    }

    func movePort(_ move: PortMove) -> Result<PortFacts, PortFailure> {
        guard let kernel else { return .failure(.failed("the overlay is not up")) }
        do throws(NetlinkError) {
            var origin = namespace.host
            if let path = move.namespace { origin = try NamespaceSockets(path: path) }
            guard let link = try RouteSocket(in: origin).link(named: move.from) else {
                return .failure(.noSuchPort("\(move.from) in \(origin.namespace.path)"))
            }
            if let kind = link.unfitAsPort { return .failure(.unsupported(port: move.from, kind: kind)) }
            if let mark = PortMark(link.alias), mark.interface != move.port.interface {
                return .failure(.belongsToAnother(port: move.from, owner: mark.interface.description))
            }
            let index = try kernel.route.movePort(
                from: origin, device: move.from, to: move.port.name, gatewayMAC: DataplaneConfiguration.portMAC,
                mtu: move.mtu, alias: PortMark(move.port).text)
            ports.put(
                move.port.sni, index: index, isNew: false, application: move.port.application,
                mac: move.port.mac)
            return .success(PortFacts(index: index))
        } catch {
            if error.isExists { return .failure(.nameTaken(error.description)) }
            return .failure(error.isNotFound ? .noSuchPort(error.description) : .failed(error.description))
        }
    }

    /// Forgets the port, with its last word, and hands it to the reaper.
    func deletePort(_ removal: PortRemoval, _ token: Token) {
        if let index = ports[removal.sni]?.index {
            raised.remove(index)
            // A port that can't be read any more is a gap of its application, and no reason to keep it.
            let last = try? kernel?.route.counters(index: index)
            ports.remove(removal.sni, counters: last.map(TrafficCounters.init(port:)))
        }
        reaper.put(removal, token)
    }

    /// What the reconciler sees now, without asking the kernel.
    func report() -> HostReport {
        guard let tracker = state?.tracker else { return HostReport() }
        let counts = tracker.ownCounts
        let elements = counts.reduce(0) { sum, entry in
            if case .element = entry.key { sum + entry.value } else { sum }
        }
        let pending = tracker.failures.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value.reason)" }
        let withheld = tracker.withheld.sorted().map { "\($0): not deleted, the journal is not trusted" }
        return HostReport(
            routes: counts[.route] ?? 0, nexthops: counts[.nexthop] ?? 0, nftElements: elements,
            foreign: tracker.foreign.sorted().map(\.description),
            kernelWrites: UInt64(kernel?.writes ?? 0) + reaper.writes.load(ordering: .relaxed),
            pending: pending + withheld + pathProblems + (responderProblem.map { [$0] } ?? []),
            kernel: inventory(tracker))
    }

    /// What the filters dropped; a failure when there is no overlay yet.
    func drops() -> Result<[DropCount], DataplaneFailure> {
        guard let kernel else {
            return .failure(DataplaneFailure(reason: "the overlay is not up: no boot grant yet, nothing is filtered"))
        }
        do throws(NetlinkError) {
            return .success(try kernel.drops())
        } catch {
            return .failure(DataplaneFailure(reason: error.description))
        }
    }

    private func inventory(_ tracker: Tracker) -> KernelInventory {
        let own = tracker.ownBlocks
        return KernelInventory(localVNIs: own.local, remoteBlocks: own.remote, ports: ports.all.keys.sorted())
    }
}

extension TrafficCounters {
    /// Turned to the VM's side: what the port received, the VM sent.
    init(port row: LinkCounters) {
        self.init(
            receivedBytes: row.sentBytes, sentBytes: row.receivedBytes, receivedPackets: row.sentPackets,
            sentPackets: row.receivedPackets, droppedPackets: row.receiveDrops &+ row.sendDrops)
    }
}
