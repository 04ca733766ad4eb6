package remote

import (
	"context"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/host"
	"github.com/salvor-project/salvor/internal/operate"
)

// What a control plane ought to give to its clients and what it gives them, as
// the host's side of the question tells it.
type (
	// ServiceWanted is what is asked for.
	ServiceWanted = operate.ServiceWanted
	// Service is the answer.
	Service = operate.Service
	// JudgedNodes are the answer's nodes.
	JudgedNodes = operate.JudgedNodes
	// JudgedEndpoints are its endpoints.
	JudgedEndpoints = operate.JudgedEndpoints
	// Balanced is its load balancer.
	Balanced = operate.Balanced
)

const methodJudgeService = "judge-service"

type serviceParams struct {
	question
	ServiceWanted
	Asked time.Time `json:"asked,omitzero"`
}

// JudgeService asks how the control plane serves its clients, through the host's
// own API server; it changes nothing.
func (h *Host) JudgeService(ctx context.Context, cfg cluster.Config, w ServiceWanted) (Service, error) {
	var s Service
	err := h.call(ctx, methodJudgeService, serviceParams{h.question(cfg), w, time.Now()}, &s, nil)
	return s, err
}

func judgeService(ctx context.Context, p serviceParams, _ func(host.Progress)) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	p.Before = hereby(p.Before, p.Asked)
	return operate.LookService(ctx, operate.Env{Config: p.Config.On(p.Host), Host: p.Host}, p.ServiceWanted)
}
