// Package messenger is the channel for one-time notifications of Facebook Messenger: it sends one message for one
// token through the Send API, asks for consents with the one_time_notif_req template, and reads the page's webhook.
// Everything that is Facebook's own stays in here.
//
// What is known of the platform comes from Meta's pages (One-Time Notification guide, Messenger Platform FAQ, Send a
// Message, Messenger Webhooks, Common Error Codes); where they are silent the code takes the side of the token: in
// doubt a message counts as [otn.Unknown], never as not sent, and a token is never given up without positive evidence.
//
// # Setting up a page
//
// Request One-Time Notification under the page's Advanced Messaging settings. Give the app the webhook
// https://…/hooks/{instance} with the configured verify_token, and subscribe the page to the fields messages,
// messaging_postbacks, messaging_optins, messaging_referrals, message_echoes, message_reactions,
// messaging_policy_enforcement and standby: without messaging_optins no consent arrives, and without message_echoes a
// lost answer can only be settled by a second try.
package messenger
