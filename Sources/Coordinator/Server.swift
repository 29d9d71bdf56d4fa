import DaemonSupport
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import Logging
import NetworkTypes
import ServiceLifecycle

/// Serves the gRPC services at one configured address.
struct Server: Service {
    /// A hello carries every binding of a host, about 200 bytes each.
    static let messageBytesMax = 64 << 20

    /// Streams that have not ended so long after the stop are broken off.
    private static let patience = Duration.seconds(4)

    let endpoint: DaemonSupport.Endpoint
    let shell: CoordinatorShell
    private let server: GRPCServer<HTTP2ServerTransport.Posix>
    private let transport: HTTP2ServerTransport.Posix

    init(endpoint: DaemonSupport.Endpoint, shell: CoordinatorShell, services: [any RegistrableRPCService]) {
        self.endpoint = endpoint
        self.shell = shell
        transport = HTTP2ServerTransport.Posix(
            address: endpoint.socketAddress, transportSecurity: .plaintext,
            config: .defaults { config in
                config.rpc.maxRequestPayloadSize = Self.messageBytesMax
                // Agents and profilers ask every 20 s whether we are there, also while nobody has anything to say.
                config.connection.keepalive.clientBehavior = .init(
                    minPingIntervalWithoutCalls: .seconds(10), allowWithoutCalls: true)
            })
        server = GRPCServer(transport: transport, services: services)
    }

    func run() async throws {
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    try await withGracefulShutdownHandler {
                        try await server.serve()
                    } onGracefulShutdown: {
                        stop()
                    }
                }
                // A peer that is frozen does not let its stream end.
                group.addTask {
                    try await gracefulShutdown()
                    try await Task.sleep(for: Self.patience)
                }
                defer { group.cancelAll() }
                try await group.next()
            }
        } catch let error as RuntimeError {
            throw ListenError(endpoint: endpoint, cause: error)
        }
    }

    /// Ends the streams and then the server, which waits for them: agents never end theirs.
    func stop() {
        shell.streams.closeAll("the coordinator is stopping")
        shell.samples.finish()
        server.beginGracefulShutdown()
    }

    /// The port in use, once it is; port 0 in tests lets the kernel choose.
    func boundPort() async throws -> Int? {
        let address = try await transport.listeningAddress
        return address.ipv4?.port ?? address.ipv6?.port
    }
}

/// An address that cannot be served. Exit code 73.
public struct ListenError: Error, CustomStringConvertible {
    let endpoint: DaemonSupport.Endpoint
    let cause: RuntimeError

    public var description: String {
        let reason = cause.cause.map { "\($0)" } ?? cause.message
        return "cannot listen on \(endpoint): \(reason); change 'listen', or stop the program that uses the address"
    }
}

extension DaemonSupport.Endpoint {
    var socketAddress: GRPCNIOTransportHTTP2Posix.SocketAddress {
        switch host {
        case .ipv4(let address): .ipv4(host: address.description, port: Int(port))
        case .ipv6(let address): .ipv6(host: address.description, port: Int(port))
        case .name: preconditionFailure("the configuration lets a coordinator listen on addresses only")
        }
    }
}
