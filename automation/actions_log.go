package automation

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
)

// The keys of what NotifyLog logs.
const (
	LogTenant = "tenant"
	LogRule   = "rule"
	LogRun    = "run"
	LogStep   = "step"
)

// NotifyLog returns the action "notify.log": it writes a message to the log of the
// process and of the run.
func NotifyLog(logger *slog.Logger) Action { return notifyLog{logger} }

type notifyLog struct{ logger *slog.Logger }

func (notifyLog) Describe() Descriptor {
	return Descriptor{
		Name: "notify.log", Label: "Write to the log", Description: "Writes a message for operators.", Effect: External,
		Input: json.RawMessage(`{"type":"object","additionalProperties":false,"required":["message"],"properties":{
			"message":{"type":"string","minLength":1,"maxLength":1024},
			"level":{"enum":["info","warn","error"],"description":"info by default."}}}`),
		SampleInput: json.RawMessage(`{"message":"a large refund of order 1001"}`),
	}
}

// check implements checker.
func (a notifyLog) check() error {
	if a.logger == nil {
		return errors.New("notify.log needs a logger")
	}
	return nil
}

func (a notifyLog) Run(ctx context.Context, in Input) (Output, error) {
	var with struct {
		Message string `json:"message"`
		Level   string `json:"level"`
	}
	if err := json.Unmarshal(in.With, &with); err != nil {
		return Output{}, Fail(ClassInvalid, "the input cannot be read", err)
	}
	level := map[string]slog.Level{"warn": slog.LevelWarn, "error": slog.LevelError}[with.Level]
	a.logger.LogAttrs(ctx, level, with.Message, slog.String(LogTenant, in.Tenant), slog.String(LogRule, in.RuleID),
		slog.String(LogRun, in.RunID), slog.String(LogStep, in.Step))
	in.Log(level, with.Message)
	return Output{}, nil
}
