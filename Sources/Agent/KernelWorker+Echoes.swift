import AgentCore
import Dataplane
import Logging
import Netlink
import NetworkTypes

extension KernelWorker {
    /// Sends a short packet and one of the overlay's MTU to each endpoint's host, from this host's address inside the
    /// overlay. The kernel at the other end answers.
    func echo(_ endpoints: [IPAddress], round: UInt64) {
        guard let configuration = state?.model.configuration else { return }
        let plan = configuration.plan
        let endpointOf = Dictionary(
            endpoints.map { (plan.router6(of: $0), $0) }, uniquingKeysWith: { first, _ in first })
        // Two sequence numbers for each round; one of 16 bits returns after a day at a round in three seconds.
        let short = UInt16(truncatingIfNeeded: round << 1)
        let outcomes = outcomes
        do throws(NetlinkError) {
            let socket = try EchoSocket(
                in: namespace.overlay, from: plan.router6(of: configuration.vtep)
            ) { sender, sequence in
                guard let vtep = endpointOf[sender], sequence & ~1 == short else { return }
                outcomes.put(.echoAnswered(vtep, round: round, isFull: sequence & 1 == 1))
            }
            for address in endpointOf.keys {
                _ = socket.send(to: address, sequence: short, bytes: EchoSocket.shortest)
                _ = socket.send(to: address, sequence: short | 1, bytes: configuration.mtu)
            }
            echoSocket = socket
        } catch {
            logger.warning("no echoes could be sent", metadata: ["reason": "\(error)"])
        }
    }
}
