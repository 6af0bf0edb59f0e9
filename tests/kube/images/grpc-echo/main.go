// grpc-echo: gRPC's own TestService as an echo with all four kinds of calls, and a client that says what came back.
//
//	grpc-echo                                   serves at :9000, with health and reflection
//	grpc-echo ask [flags] ADDRESS CALL          CALL is unary, download, upload or duplex; prints one line of JSON
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/reflection"
)

const address = ":9000"

type echo struct {
	pb.UnimplementedTestServiceServer
	hostname string
}

func (e *echo) EmptyCall(context.Context, *pb.Empty) (*pb.Empty, error) { return &pb.Empty{}, nil }

func (e *echo) UnaryCall(_ context.Context, request *pb.SimpleRequest) (*pb.SimpleResponse, error) {
	return &pb.SimpleResponse{Payload: request.Payload, Hostname: e.hostname}, nil
}

// As many answers as were asked for, of the sizes and at the intervals that were asked for.
func (e *echo) StreamingOutputCall(request *pb.StreamingOutputCallRequest, stream pb.TestService_StreamingOutputCallServer) error {
	return e.answer(request, stream.Context(), stream.Send)
}

func (e *echo) StreamingInputCall(stream pb.TestService_StreamingInputCallServer) error {
	total := 0
	for {
		request, err := stream.Recv()
		if err == io.EOF {
			return stream.SendAndClose(&pb.StreamingInputCallResponse{AggregatedPayloadSize: int32(total)})
		}
		if err != nil {
			return err
		}
		total += len(request.GetPayload().GetBody())
	}
}

func (e *echo) FullDuplexCall(stream pb.TestService_FullDuplexCallServer) error {
	for {
		request, err := stream.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := e.answer(request, stream.Context(), stream.Send); err != nil {
			return err
		}
	}
}

func (e *echo) answer(request *pb.StreamingOutputCallRequest, ctx context.Context, send func(*pb.StreamingOutputCallResponse) error) error {
	for _, wanted := range request.ResponseParameters {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(wanted.IntervalUs) * time.Microsecond):
		}
		body := request.GetPayload().GetBody()
		if body == nil {
			body = make([]byte, wanted.Size)
		}
		if err := send(&pb.StreamingOutputCallResponse{Payload: &pb.Payload{Body: body}}); err != nil {
			return err
		}
	}
	return nil
}

func serve() error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	hostname, _ := os.Hostname()
	server, healthy := grpc.NewServer(), health.NewServer()
	healthy.SetServingStatus("", healthpb.HealthCheckResponse_SERVING)
	healthpb.RegisterHealthServer(server, healthy)
	pb.RegisterTestServiceServer(server, &echo{hostname: hostname})
	reflection.Register(server)
	log.Printf("serving at %s", address)
	return server.Serve(listener)
}

// What a call brought back.
type outcome struct {
	Call     string  `json:"call"`
	Messages int     `json:"messages"`
	Bytes    int     `json:"bytes"`
	Hostname string  `json:"hostname,omitempty"`
	FirstMs  float64 `json:"first_ms"` // from the start to the first message
	LastMs   float64 `json:"last_ms"`
}

type asker struct {
	client   pb.TestServiceClient
	count    int
	size     int
	interval time.Duration
	began    time.Time
	result   outcome
}

func (a *asker) came(body []byte) {
	a.result.LastMs = float64(time.Since(a.began).Microseconds()) / 1000
	if a.result.Messages == 0 {
		a.result.FirstMs = a.result.LastMs
	}
	a.result.Messages++
	a.result.Bytes += len(body)
}

func (a *asker) payload() *pb.Payload { return &pb.Payload{Body: make([]byte, a.size)} }

func (a *asker) unary(ctx context.Context) error {
	for range a.count {
		answer, err := a.client.UnaryCall(ctx, &pb.SimpleRequest{Payload: a.payload()})
		if err != nil {
			return err
		}
		a.result.Hostname = answer.Hostname
		a.came(answer.GetPayload().GetBody())
	}
	return nil
}

func (a *asker) download(ctx context.Context) error {
	request := &pb.StreamingOutputCallRequest{}
	for range a.count {
		wanted := &pb.ResponseParameters{Size: int32(a.size), IntervalUs: int32(a.interval.Microseconds())}
		request.ResponseParameters = append(request.ResponseParameters, wanted)
	}
	stream, err := a.client.StreamingOutputCall(ctx, request)
	for err == nil {
		var answer *pb.StreamingOutputCallResponse
		if answer, err = stream.Recv(); err == nil {
			a.came(answer.GetPayload().GetBody())
		}
	}
	if err == io.EOF {
		return nil
	}
	return err
}

func (a *asker) upload(ctx context.Context) error {
	stream, err := a.client.StreamingInputCall(ctx)
	if err != nil {
		return err
	}
	for range a.count {
		if err := stream.Send(&pb.StreamingInputCallRequest{Payload: a.payload()}); err != nil {
			return err
		}
		time.Sleep(a.interval)
	}
	answer, err := stream.CloseAndRecv()
	if err != nil {
		return err
	}
	a.came(nil)
	a.result.Bytes = int(answer.AggregatedPayloadSize)
	return nil
}

// Each message waits for the answer to the one before.
func (a *asker) duplex(ctx context.Context) error {
	stream, err := a.client.FullDuplexCall(ctx)
	if err != nil {
		return err
	}
	for range a.count {
		wanted := []*pb.ResponseParameters{{Size: int32(a.size)}}
		if err := stream.Send(&pb.StreamingOutputCallRequest{ResponseParameters: wanted, Payload: a.payload()}); err != nil {
			return err
		}
		answer, err := stream.Recv()
		if err != nil {
			return err
		}
		a.came(answer.GetPayload().GetBody())
		time.Sleep(a.interval)
	}
	return stream.CloseSend()
}

func ask(arguments []string) error {
	flags := flag.NewFlagSet("ask", flag.ExitOnError)
	count := flags.Int("count", 1, "messages")
	size := flags.Int("size", 100, "bytes of each")
	interval := flags.Duration("interval", 0, "between messages")
	patience := flags.Duration("patience", 30*time.Second, "for all of it")
	out := flags.String("out", "/dev/stdout", "where the line of JSON goes")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if flags.NArg() != 2 {
		return fmt.Errorf("usage: grpc-echo ask [flags] ADDRESS unary|download|upload|duplex")
	}
	connection, err := grpc.NewClient(flags.Arg(0), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	ctx, cancel := context.WithTimeout(context.Background(), *patience)
	defer cancel()
	a := &asker{client: pb.NewTestServiceClient(connection), count: *count, size: *size, interval: *interval, began: time.Now()}
	a.result.Call = flags.Arg(1)
	calls := map[string]func(context.Context) error{"unary": a.unary, "download": a.download, "upload": a.upload, "duplex": a.duplex}
	call, known := calls[a.result.Call]
	if !known {
		return fmt.Errorf("no such call: %s", a.result.Call)
	}
	if err := call(ctx); err != nil {
		return err
	}
	line, err := json.Marshal(a.result)
	if err != nil {
		return err
	}
	return os.WriteFile(*out, append(line, '\n'), 0o644)
}

func main() {
	var err error
	if len(os.Args) > 1 && os.Args[1] == "ask" {
		err = ask(os.Args[2:])
	} else {
		err = serve()
	}
	if err != nil {
		log.Fatal(err)
	}
}
