import AgentCore
import Logging
import Netlink
import NetworkTypes
import Synchronization

/// Deletes ports, apart from the worker: the kernel lets a deletion wait tens of milliseconds for readers that may still
/// use the device, and a launch must not wait behind it.
///
/// Safe beside the worker: a port is deleted only after its routes and elements are gone, and its name is not used
/// again before the deletion is reported.
actor PortReaper {
    private let executor = QueueExecutor(label: "outrider.reaper")
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    private let sockets: NamespaceSockets
    private let work = WorkQueue<(PortRemoval, Token)>()
    private let outcomes: WorkQueue<AgentInput>
    private var route: RouteSocket?
    /// Change messages sent so far.
    nonisolated let writes = Atomic<UInt64>(0)

    init(sockets: NamespaceSockets, outcomes: WorkQueue<AgentInput>) {
        self.sockets = sockets
        self.outcomes = outcomes
    }

    nonisolated func put(_ removal: PortRemoval, _ token: Token) { work.put((removal, token)) }

    /// Lets ``run()`` end after what is queued now.
    nonisolated func finish() { work.finish() }

    /// Runs until finished.
    func run() async {
        await work.consume { batch in
            for (removal, token) in batch { outcomes.put(.portDeleted(token, delete(removal))) }
        }
    }

    private func delete(_ removal: PortRemoval) -> Result<Void, PortFailure> {
        do throws(NetlinkError) {
            let route = try socket()
            if let expected = removal.interface, let link = try route.link(named: removal.name),
                let mark = PortMark(link.alias), mark.interface != expected
            {
                return .failure(.belongsToAnother(port: removal.name, owner: mark.interface.description))
            }
            if try route.deletePort(named: removal.name) { writes.add(1, ordering: .relaxed) }
            return .success(())
        } catch {
            // A socket that failed once is not trusted again.
            route = nil
            return .failure(.failed(error.description))
        }
    }

    private func socket() throws(NetlinkError) -> RouteSocket {
        if let route { return route }
        let fresh = try RouteSocket(in: sockets)
        route = fresh
        return fresh
    }
}
