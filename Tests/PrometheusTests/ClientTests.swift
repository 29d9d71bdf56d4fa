import Testing

@testable import Prometheus

/// A server that answers anything but what it should.
@Suite struct ClientTests {
    private static let good =
        #"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"application":"web"},"value":[5,"3"]}]}}"#

    private func kind(
        _ server: CannedServer, timeout: Duration = .seconds(60), bytesMax: Int = PrometheusClient.standardBytesMax
    ) async throws -> PrometheusError.Kind? {
        let client = PrometheusClient(base: server.base, timeout: timeout, bytesMax: bytesMax)
        defer { Task { try await server.close() } }
        do {
            _ = try await client.query("up", at: 5)
            return nil
        } catch {
            return error.kind
        }
    }

    @Test func goodAnswer() async throws {
        let server = try await CannedServer(CannedServer.answer("200 OK", Self.good))
        let client = PrometheusClient(base: server.base + "/", timeout: .seconds(60))
        let answer = try await client.query("up", at: 5)
        #expect(answer.series == [.init(labels: ["application": "web"], points: [.init(time: 5, value: 3)])])
        try await server.close()
    }

    @Test(arguments: ["404 Not Found", "500 Internal Server Error", "502 Bad Gateway", "503 Service Unavailable"])
    func errorsOfHTTP(status: String) async throws {
        #expect(try await kind(try await CannedServer(CannedServer.answer(status, "<html>no</html>"))) == .http)
    }

    @Test(arguments: ["400 Bad Request", "422 Unprocessable Entity", "503 Service Unavailable", "200 OK"])
    func refusals(status: String) async throws {
        let body = #"{"status":"error","errorType":"timeout","error":"query timed out"}"#
        #expect(try await kind(try await CannedServer(CannedServer.answer(status, body))) == .refused)
    }

    @Test func garbage() async throws {
        #expect(try await kind(try await CannedServer(CannedServer.answer("200 OK", "hello"))) == .malformed)
        #expect(try await kind(try await CannedServer("SSH-2.0-OpenSSH\r\n\r\n")) == .unreachable)
    }

    /// It hangs before the head, within it, and within the body: the limit is that of the whole.
    @Test(arguments: ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"sta"])
    func slow(begin: String) async throws {
        let server = try await CannedServer(begin, .hanging)
        #expect(try await kind(server, timeout: .milliseconds(300)) == .slow)
    }

    @Test func cutOff() async throws {
        let text = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"status\":"
        #expect(try await kind(try await CannedServer(text)) == .unreachable)
    }

    @Test func oversized() async throws {
        let body = String(repeating: " ", count: 10_000) + Self.good
        let server = try await CannedServer(CannedServer.answer("200 OK", body))
        #expect(try await kind(server, bytesMax: 5_000) == .oversized)
        let endless = try await CannedServer(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", .whole)
        #expect(try await kind(endless, bytesMax: 5_000) == .unreachable)
    }

    @Test func nobody() async throws {
        let server = try await CannedServer("")
        let base = server.base
        try await server.close()
        let client = PrometheusClient(base: base, timeout: .seconds(60))
        let error = await #expect(throws: PrometheusError.self) { try await client.query("up", at: 5) }
        #expect(error?.kind == .unreachable)
    }
}
